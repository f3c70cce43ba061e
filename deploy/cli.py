"""The command line `slee`: run a server, build bundles, and manage a running server."""

from __future__ import annotations

import importlib
from typing import Final

import click

FAMILIES: Final = {
    "state": "Show, start and stop the SLEE.",
    "bundle": "Build, install and uninstall bundles.",
    "component": "Look at installed components.",
    "service": "Activate and deactivate services, and look at their entity trees.",
    "resource": "Manage resource adaptor entities and their links.",
    "profile": "Provision profile tables: add, find, change, import and export profiles.",
    "schedule": "Look at schedules, make, suspend, resume and cancel them, and fire one now.",
    "activity": "Look at activities, and end one.",
    "letter": "Look at messages that adaptors have given up, and try them again or drop them.",
    "trace": "Read and assign trace levels.",
    "alarm": "Look at active alarms, and clear them.",
    "usage": "Read what components count, and manage usage parameter sets.",
    "upgrade": "Come to another version of a bundle while calls are up, and back.",
}
"""The families of operations, known without importing what they need; a test holds them against the table."""

OFFLINE: Final = {"journal": "Look at the journal of a server that is stopped, and repair it."}
"""Families that work on the state directory and need no server: each is the group of its name in `deploy`."""


class _Families(click.Group):
    """Imports a family of commands when it is used, so that `slee --help` and `slee run` are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *FAMILIES, *OFFLINE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in FAMILIES:
            found: click.Command = importlib.import_module("deploy.commands").family(cmd_name, FAMILIES[cmd_name])
            return found
        if cmd_name in OFFLINE:
            offline: click.Command = getattr(importlib.import_module(f"deploy.{cmd_name}"), cmd_name)
            return offline
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, command.get_short_help_str()) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl([*rows, *FAMILIES.items(), *OFFLINE.items()])


@click.group(cls=_Families, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="slee", prog_name="slee")
def main() -> None:
    """A service execution environment: run it, deploy services into it, and manage it."""


@main.command()
@click.option("--config", type=click.Path(dir_okay=False), help="Configuration file; slee.toml if there is one.")
@click.option("--state-dir", type=click.Path(file_okay=False), help="Where state is kept; ./.slee if not configured.")
@click.option("--sip", metavar="HOST:PORT", help="Where SIP listens; 127.0.0.1:5060 if not configured.")
@click.option("--http", metavar="HOST:PORT", help="Where HTTP listens; 127.0.0.1:8080 if not configured.")
@click.option("--metrics", metavar="HOST:PORT", help="Where /metrics is; 127.0.0.1:9464 if not configured.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Override one key: --set sip.t1=0.1")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Form of the log on standard error.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Least level logged.")
@click.pass_context
def run(
    ctx: click.Context,
    config: str | None,
    state_dir: str | None,
    sip: str | None,
    http: str | None,
    metrics: str | None,
    settings: tuple[str, ...],
    log_format: str | None,
    log_level: str | None,
) -> None:
    """Run a server until SIGTERM, which lets what is in progress complete; a second one ends it at once.

    Ends with status 2, and has changed nothing, if a port is in use, the configuration is wrong, or the state
    directory is of another version.
    """
    start = importlib.import_module("deploy.start")
    given = {
        "state-dir": state_dir,
        "metrics.listen": metrics,
        "log.format": log_format,
        "log.level": log_level,
    }
    listen = {name: address for name, address in (("sip", sip), ("http", http)) if address is not None}
    ctx.exit(start.start(config, listen, {key: value for key, value in given.items() if value is not None}, settings))


if __name__ == "__main__":
    main(prog_name="slee")
