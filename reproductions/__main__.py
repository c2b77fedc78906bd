"""``reproductions``, or ``python -m reproductions``: tables, pages, the site and the history of the verdicts."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from reproductions import new
from reproductions.gpu_hour import command as gpu_hour
from reproductions.harness.runs.provenance import SUITE, version_of
from reproductions.harness.runs.settings import SCALES
from reproductions.harness.verdicts.record import VERDICTS
from reproductions.report import cli, history, issues, keeping
from reproductions.report.errors import ReportError
from reproductions.report.papers import HERE, in_checkout, root_of

EXTRA = {"jinja2", "latex2mathml"}  # libraries of the extra `report`
EXAMPLES = """examples:
  reproductions new mine                            a repository for a paper of your own
  reproductions table                               each claim and the summary, of results/
  reproductions table --verdict deviates            what does not hold
  reproductions show rps-fig4c-atis-baseline        all about one claim, and the command that decides it again
  reproductions site                                the static site; open site/index.html, no server needed
  reproductions site results gpu-results --to site  two folders as one
  reproductions pages                               reproductions/<paper>/README.md and the summary in README.md
  reproductions history diff --history history      what changed in the last night
  reproductions drift results/baseline results      what your session found otherwise
"""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = _Parser(
        prog="reproductions",
        description="What sessions of pytest found, in other forms.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=str(version_of(SUITE)))
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_new(commands.add_parser("new", help="make a repository for a paper of your own, with an example that works"))
    _add_reports(commands)
    _add_history(commands.add_parser("history", help="keep verdicts night after night, and say what changed"))
    drift = commands.add_parser("drift", help="say what changed from one results folder to another")
    drift.add_argument("old", type=Path, metavar="OLD")
    drift.add_argument("new", type=Path, metavar="NEW")
    drift.set_defaults(run=lambda given: history.compare(given.old, given.new))
    pilots = commands.add_parser("pilots", help="write how noisy claims are, from which numbers of seeds are planned")
    pilots.add_argument("verdicts", type=Path, metavar="VERDICTS", help="the verdicts.json of a session")
    pilots.set_defaults(run=_pilots)
    schema = commands.add_parser("schema", help="write reproductions/claims.schema.json, by which editors check claims")
    schema.set_defaults(run=_schema)
    _add_precision(commands.add_parser("precision", help="say how far runs in a faster precision end from float32"))
    roofline = commands.add_parser("roofline", help="print how fast a GPU can be at best, the tables of docs/gpu.md")
    roofline.set_defaults(run=_roofline)
    costs = commands.add_parser("costs", help="renew the table of docs/costs.md: what the training figures cost")
    costs.set_defaults(run=_costs)
    gpu_hour.add_arguments(
        commands.add_parser(
            "gpu-hour", help="prove, measure and train on a GPU for as long as there is time, and go on"
        )
    )
    return top


def _add_new(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="FOLDER", help="where to; it is made")
    command.add_argument("--name", metavar="NAME", help="of the paper and its package (default: that of the folder)")
    command.set_defaults(run=lambda given: new.create(given.folder, given.name))


def _add_reports(commands: argparse._SubParsersAction[_Parser]) -> None:
    table = commands.add_parser("table", aliases=["tabulate"], help="print each claim and the summary")
    table.add_argument("--csv", type=Path, metavar="FILE", help="write one row a verdict with all of its fields")
    table.add_argument("--latex", type=Path, metavar="FILE", help="write a booktabs longtable, one row a claim")
    table.add_argument("--verdict", choices=VERDICTS, action="append", help="only claims with this verdict")
    show = commands.add_parser(
        "show", help="print all that is known about one claim: words, tolerance, evidence, cause"
    )
    show.add_argument("claim", metavar="CLAIM", help="its name, as the table has it")
    site = commands.add_parser("site", help="write the static site")
    site.add_argument("--to", type=Path, default=Path("site"), metavar="DIR", help="where to (default: %(default)s)")
    site.add_argument("--history", type=Path, metavar="DIR", help="add a page of what changed from night to night")
    for command, run in ((table, cli.table), (show, cli.show), (site, cli.site)):
        command.add_argument(
            "folders", nargs="*", type=Path, metavar="FOLDER", help="results folders to merge (default: results)"
        )
        command.add_argument("--scale", choices=SCALES, action="append", help="this scale only; several times for more")
        command.add_argument(
            "--prefer", choices=["newest"], help="let the newest of verdicts that contradict each other win"
        )
        command.add_argument(
            "--papers",
            type=Path,
            action="append",
            metavar="DIR",
            help="folder with <paper>/claims.yaml, several times for more "
            "(default: where the results folders are, or this suite's)",
        )
        command.set_defaults(run=run)
    pages = commands.add_parser("pages", help="renew the page of each paper and the summary in the README")
    pages.add_argument("--check", action="store_true", help="only say which of them are not up to date")
    pages.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="(default: %(default)s)")
    pages.add_argument("--readme", type=Path, metavar="FILE", help="(default: the one beside the papers)")
    pages.add_argument("--papers", type=Path, metavar="DIR", help="folder with <paper>/claims.yaml (default: as table)")
    pages.set_defaults(run=cli.pages)
    keep = commands.add_parser("keep", help="copy the smoke figures of a session to where a checkout keeps them")
    keep.add_argument("results", type=Path, metavar="RESULTS", help="results folder of the session")
    keep.add_argument(
        "--to", type=Path, default=HERE.parent / "results", metavar="FOLDER", help="(default: that of this checkout)"
    )
    keep.set_defaults(run=lambda given: keeping.keep(given.results, given.to))


def _add_history(top: argparse.ArgumentParser) -> None:
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    add = commands.add_parser("add", help="append the verdicts of results folders; a second time nothing is new")
    add.add_argument("results", type=Path, nargs="+", metavar="RESULTS")
    add.set_defaults(run=lambda given: history.extend(given.results, given.history))
    diff = commands.add_parser("diff", help="say what changed in the last round; ends with 1 if a verdict did")
    diff.set_defaults(run=lambda given: history.diff(given.history, given.since))
    issue = commands.add_parser("issues", help="open an issue for each verdict that changed; needs gh")
    issue.set_defaults(run=lambda given: issues.run(given.history, given.since))
    for command in (diff, issue):
        command.add_argument("--since", metavar="COMMIT", help="look at what came after this commit")
    for command in (add, diff, issue):
        command.add_argument("--history", type=Path, required=True, metavar="DIR")


def _add_precision(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", nargs="?", type=Path, default=Path("results"), metavar="RESULTS")
    command.add_argument(
        "--metric", action="append", help="several times for more (default: train_loss, test_accuracy)"
    )
    command.set_defaults(run=_precision)


def _precision(given: argparse.Namespace) -> int:
    from reproductions import precisions

    found = precisions.effects(given.results, given.metric or ())
    print(found.to_string(index=False, float_format="{:.4g}".format))
    return 0


def _pilots(given: argparse.Namespace) -> int:
    from reproductions.harness.verdicts import kept, plans

    if not given.verdicts.is_file():
        raise ReportError(f"there is no file of verdicts {given.verdicts}")
    try:
        plans.write_all(given.verdicts, in_checkout(root_of(given.verdicts.absolute().parent.parent)))
    except kept.KeptError as error:
        raise ReportError(str(error)) from None
    return 0


def _schema(_: argparse.Namespace) -> int:
    from reproductions.harness.verdicts import schema

    in_checkout(HERE)
    schema.write()
    return 0


def _roofline(_: argparse.Namespace) -> int:
    from reproductions.experiments.roofline import plan_table, roofline_table

    print(roofline_table(), plan_table(), sep="\n\n")
    return 0


def _costs(_: argparse.Namespace) -> int:
    from reproductions import costs

    in_checkout(HERE)
    costs.PAGE.write_text(costs.renewed(costs.PAGE.read_text()))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 2, with one sentence on standard error, if its input is wrong."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except ReportError as error:
        print(f"reproductions: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        print(f"reproductions: this needs {error.name}: pip install '{SUITE}[report]'", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a folder that is closed, a link that leads to itself
        print(f"reproductions: {error.filename or 'a file'} cannot be used: {error.strerror}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # how pathlib names such a link before Python 3.13
        if not str(error).startswith("Symlink loop"):
            raise
        print(f"reproductions: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
