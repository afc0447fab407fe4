"""Commands `keys` and `consents`: who may use the service, and what the people shown have agreed to."""

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sonic_core.cli.storage import needing_extra, open_ledger
from sonic_core.errors import InputError


def add_parser(subparsers: Any) -> None:
    keys = subparsers.add_parser("keys", help="API keys of the service: new, list, revoke; and users' priorities")
    actions = keys.add_subparsers(dest="action", required=True)
    new = actions.add_parser("new", help="print a new key")
    new.add_argument("user")
    new.add_argument("--days", type=float, help="after which it is worthless")
    new.add_argument("--name", help="what it is for")
    actions.add_parser("list", help="all keys, or a user's").add_argument("user", nargs="?")
    actions.add_parser("revoke", help="end one key").add_argument("id")
    priority = actions.add_parser("priority", help="let a user's jobs go before those of users with less")
    priority.add_argument("user")
    priority.add_argument("priority", type=int, help="-100 to 100; everybody begins with 0")
    _add_ledger(actions)
    keys.set_defaults(run=lambda args: needing_extra(lambda: run_keys(args)))

    consents = subparsers.add_parser("consents", help="consents of a person: list, withdraw, export")
    actions = consents.add_subparsers(dest="action", required=True)
    for name, text in (
        ("list", "consents, newest first"),
        ("withdraw", "end every consent of a person and delete what it covered"),
        ("export", "everything held about a person, as JSON"),
    ):
        parser = actions.add_parser(name, help=text)
        parser.add_argument("--user", required=True, help="whose consents these are in the service")
        parser.add_argument("--subject", required=name != "list", help="the person's pseudonym")
        parser.add_argument("--profile", help="storage profile (default: SONIC_OSS_PROFILE)")
    _add_ledger(actions)
    consents.set_defaults(run=lambda args: needing_extra(lambda: run_consents(args)))


def _add_ledger(actions: Any) -> None:
    for parser in actions.choices.values():
        parser.add_argument("--ledger", help="database address (default: SONIC_LEDGER, or a SQLite file)")


def run_keys(args: argparse.Namespace) -> int:
    from sonic_core.ledger.turns import set_priority
    from sonic_core.service import api_keys

    ledger = open_ledger(args.ledger)
    if args.action == "new":
        sys.stdout.write(api_keys.create_key(ledger, args.user, args.name, args.days) + "\n")
    elif args.action == "list":
        for info in api_keys.list_keys(ledger, args.user):
            over = info.expires is not None and info.expires <= ledger.clock()
            state = "revoked" if info.revoked else "expired" if over else "valid"
            until = f"until {_day(info.expires)}" if info.expires else ""
            sys.stdout.write(f"{info.id}  {info.user}  {state}  {_day(info.created)} {until}  {info.name or ''}\n")
    elif args.action == "revoke":
        sys.stdout.write(f"The key {api_keys.revoke_key(ledger, args.id).id} is revoked.\n")
    else:
        set_priority(ledger.engine, args.user, args.priority)
        sys.stdout.write(f"Jobs of {args.user} have priority {args.priority}.\n")
    return 0


def run_consents(args: argparse.Namespace) -> int:
    from sonic_core.fleet.forget import withdraw_subject
    from sonic_core.ledger.forgetting import consents_of, held_about
    from sonic_core.storage.profiles import load_profile
    from sonic_core.storage.stores import open_stores

    ledger = open_ledger(args.ledger)
    if args.action == "export":
        sys.stdout.write(json.dumps(held_about(ledger, args.user, args.subject), ensure_ascii=False, indent=2) + "\n")
    elif args.action == "withdraw":
        if not consents_of(ledger, args.user, args.subject, limit=1):
            raise InputError(f"{args.user} has no consent of {args.subject[:100]!r}; `consents list` shows them.")
        affected = withdraw_subject(ledger, open_stores(load_profile(args.profile)), args.subject, args.user)
        sys.stdout.write(f"Withdrawn; {len(affected)} jobs and their material are deleted.\n")
    else:
        for consent in consents_of(ledger, args.user, args.subject):
            sys.stdout.write(json.dumps(asdict(consent), ensure_ascii=False) + "\n")
    return 0


def _day(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or 0).strftime("%Y-%m-%d")
