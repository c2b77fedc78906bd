"""What printed numbers stand for."""

import pytest

from reproductions.harness.verdicts.bands import difference_of_rounded, rounding


@pytest.mark.parametrize(
    ("value", "digit", "inside", "outside"),
    [
        (0.01, 0.01, (0.005, 0.01, 0.0149999), (0.0049999, 0.015)),
        (-0.01, 0.01, (-0.015, -0.0050001), (-0.0150001, -0.005)),
        (12, 1, (11.5, 12.4999), (12.5,)),
        (0.3, 0.1, (0.25, 0.3499999), (0.35,)),
        (1200, 100, (1150, 1249.9), (1250,)),
    ],
)
def test_a_printed_number_is_what_rounds_to_it(value, digit, inside, outside):
    low, high = rounding(value, digit)
    assert all(low <= x <= high for x in inside)
    assert not any(low <= x <= high for x in outside)


@pytest.mark.parametrize(
    ("a", "b", "digit", "inside", "outside"),
    [
        (0.02, 0.01, 0.01, (1e-9, 0.01, 0.019999), (0.0, 0.02)),
        (0.03, 0.02, 0.01, (1e-9, 0.019999), (0.0, 0.02)),  # in floats 0.03 - 0.02 - 0.01 is below 0
        (0.01, 0.01, 0.01, (0, 0.00999, -0.00999), (0.01, -0.01)),
        (93, 91, 1, (1.001, 2.999), (1, 3)),
    ],
)
def test_a_difference_of_printed_numbers_is_within_one_digit(a, b, digit, inside, outside):
    low, high = difference_of_rounded(a, b, digit)
    assert all(low <= x <= high for x in inside)
    assert not any(low <= x <= high for x in outside)


@pytest.mark.parametrize("digit", [0, -0.01, float("nan")])
def test_a_digit_has_a_unit_above_zero(digit):
    with pytest.raises(ValueError, match="unit of the last digit is"):
        rounding(1, digit)
