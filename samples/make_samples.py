"""Renders the synthetic calls of ``samples/calls`` from the scripts of ``samples/scripts``.

Needs the extra ``samples`` (``pip install -e '.[samples]'``) and the Mandarin voice styles of the
npm package ``kokoro-js``: fetched with npm when it is there, or given with ``--voices``
(``npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz`` makes ``package/voices``).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from synthesis.assets import AssetError
from synthesis.render import CachedVoices, render, write_call
from synthesis.script import Script, read_script
from synthesis.voice import DEFAULT_CACHE

from callaudit.errors import UserError

HERE = Path(__file__).resolve().parent


def table_row(name: str, script: Script) -> str:
    """A call's row in the table of ``samples/README.md``."""
    verdicts = script.expected.verdicts()
    listed = [f"`{rule}`" for rule, outcome in verdicts.items() if outcome == "fail"]
    listed += [f"`{rule}` (?)" for rule, outcome in verdicts.items() if outcome == "uncertain"]
    kind = script.output.format.removeprefix("wav-")
    layout = {"stereo": script.agent_channel, "mono": "mono", "dead-customer": "left, dead"}
    where = layout[script.output.layout] + ("" if script.tell_channel else ", untold")
    return f"| `{name}` | {kind} | {where} | {script.description} | {' '.join(listed) or '–'} |"


def main(arguments: list[str] | None = None) -> int:
    """Renders the calls named on the command line, or all; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="scripts to render (default: all)")
    parser.add_argument(
        "--table", action="store_true", help="print the table of the README instead"
    )
    parser.add_argument("--voices", type=Path, help="folder with the voice styles")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="default: %(default)s")
    parser.add_argument("--scripts", type=Path, default=HERE / "scripts")
    parser.add_argument("--output", type=Path, default=HERE / "calls")
    options = parser.parse_args(arguments)

    paths = [options.scripts / f"{name}.yaml" for name in options.names]
    voices = CachedVoices(options.cache, options.voices)
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        for path in paths or sorted(options.scripts.glob("*.yaml")):
            script = read_script(path)
            if options.table:
                print(table_row(path.stem, script))
                continue
            rendered = render(script, voices.speak)
            recording = write_call(path.stem, script, rendered, options.output)
            seconds = rendered.layout.duration_ms / 1_000
            print(f"{recording.name}  {seconds:.1f} s  {script.description}", flush=True)
    except (AssetError, UserError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
