import re

import pytest

from reproductions.report.mathematics import with_formulas


def test_formulas_become_mathml_and_text_stays_text() -> None:
    html = str(with_formulas(r"we set $\tau = \frac{1}{n}$ & <b>go on</b>"))
    assert html.startswith("we set <span")
    assert "<mi>τ</mi>" in html
    assert "<mfrac>" in html
    assert html.endswith("&amp; &lt;b&gt;go on&lt;/b&gt;")


def test_a_text_of_commands_is_one_formula() -> None:
    assert "<msub><mi>α</mi><mn>2</mn></msub>" in with_formulas(r"0 < \alpha_2 < 1")


def test_a_formula_that_a_quote_has_cut_off_is_set_all_the_same() -> None:
    assert "<mi>A</mi>" in with_formulas(r"\mathbb{E}(W_t) \right) A_n = A_n")


def test_a_long_formula_goes_on_in_the_next_line_outside_of_brackets() -> None:
    lines = with_formulas(r"a = (b + c) + \left( d - e \right) - f").split("<wbr>")
    assert [re.sub("<[^>]*>", "", line) for line in lines] == ["a", "=(b+c)", "+(d−e)", "−f"]


@pytest.mark.parametrize("broken", [r"\frac{", r"\begin{array} a"])
def test_what_is_no_latex_is_shown_as_it_is_written(broken: str) -> None:
    assert with_formulas(broken) == f"<code>{broken}</code>"


@pytest.mark.parametrize(
    "text", [r"$\text{<script>x</script>}$", r"<script>x</script>", r"\text{<img src=x onerror=y>}"]
)
def test_nothing_of_a_claim_is_ever_markup(text: str) -> None:
    html = with_formulas(text)
    assert "<script" not in html
    assert "<img" not in html


@pytest.mark.parametrize("text", [r"\href{javascript:alert(1)}{x}", r"\class{card}{x}", r"\style{position: fixed}{x}"])
def test_a_formula_takes_no_link_class_or_style(text: str) -> None:
    html = str(with_formulas(text))
    assert "<mi>x</mi>" in html or "<mtext>x</mtext>" in html
    assert not re.search('(href|style|class)="(?!formula")', html)


def test_a_text_without_formulas_is_as_it_was() -> None:
    assert with_formulas("alpha_1 <= 1") == "alpha_1 &lt;= 1"
