#!/usr/bin/python3
"""A mail server for one test: smtp_server.py FOLDER SECURITY CERTIFICATE [USER PASSWORD] [COMMAND=REPLY]

SECURITY is tls, starttls or none; plain offers no encryption, inject says more than 220 in the clear when
STARTTLS is asked for, and hang takes connections and says nothing.

What it takes it parses back with Python's email package and writes as FOLDER/NNNN.json. Some recipients
make it misbehave: gray@ 451 for ever, later@ 451 the first time, nobody@ 550, full@ 452 and refused@ 554
after DATA, drop@ closes the connection after DATA, lost@ does so the first time and keeps the mail all the
same, silent@ never answers DATA, echo@ repeats the password in its refusal, and nobye@ does not answer
QUIT. "MAIL=451 4.3.0 busy" answers a command so: GREETING, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, END
(after the message). Prints "port N", ends with standard input.
"""

import asyncio
import email
import email.policy
import json
import logging
import os
import ssl
import sys
import threading
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

folder, security, certificate = sys.argv[1:4]
faults = dict(a.split("=", 1) for a in sys.argv[4:] if a.partition("=")[0].isupper())
user, password = ([a for a in sys.argv[4:] if not a.partition("=")[0].isupper()] + ["", ""])[:2]
taken = 0
seen = set()
logging.disable(logging.CRITICAL)  # of sessions that end badly, as they are meant to
warnings.simplefilter("ignore")


def record(envelope):
    global taken
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    alternative = next(p for p in message.walk() if p.get_content_type() == "multipart/alternative")
    parts = [{"type": p.get_content_type(), "text": p.get_content().replace("\r\n", "\n")} for p in alternative.iter_parts()]
    taken += 1
    name = os.path.join(folder, f"{taken:04}.json")
    with open(name + ".new", "w", encoding="utf-8") as out:
        json.dump(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "headers": [[k, str(v)] for k, v in message.items()],
                "defects": [repr(d) for p in message.walk() for d in p.defects],
                "header_defects": [repr(d) for v in message.values() for d in v.defects],
                "longest_line": max(len(line) for line in envelope.original_content.split(b"\r\n")),
                "parts": parts,
                "raw": envelope.original_content.decode("ascii", "replace"),
            },
            out,
        )
    os.rename(name + ".new", name)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        who = address.partition("@")[0]
        if who == "later" and address not in seen:
            seen.add(address)
            return "451 4.7.1 greylisted, try again"
        refusal = {"gray": "451 4.7.1 come back later", "nobody": "550 5.1.1 no such user"}.get(who)
        if who == "echo":
            refusal = f"550 you said {password}"
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        who = envelope.rcpt_tos[0].partition("@")[0]
        if "END" in faults:
            return faults["END"]
        if who == "lost" and who not in seen:
            seen.add(who)
            record(envelope)
            server.transport.abort()
            return "250 too late"
        if who == "drop":
            server.transport.abort()
            return "250 too late"
        if who == "silent":
            await asyncio.sleep(3600)
        if who in ("full", "refused"):
            return {"full": "452 4.2.2 mailbox full", "refused": "554 5.7.1 not wanted"}[who]
        record(envelope)
        session.no_bye = who == "nobye"
        return f"250 2.0.0 Ok: queued as\t{taken:04}"

    async def handle_QUIT(self, server, session, envelope):
        if getattr(session, "no_bye", False):
            await asyncio.sleep(3600)
        return "221 Bye"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login.decode() == user and data.password.decode() == password
    return AuthResult(success=good, handled=False)


def certificate_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class Session(SMTP):
    """Answers some commands as it was told to, before anything else."""

    async def push(self, status):
        if "GREETING" in faults and isinstance(status, str) and status.startswith("220 mail.test"):
            status = faults["GREETING"]
        await super().push(status)


def answering(command):
    proper = getattr(SMTP, "smtp_" + command)

    async def answer(self, arg):
        if command in faults:
            await self.push(faults[command])
        else:
            await proper(self, arg)

    answer.__doc__ = proper.__doc__
    return answer


for name in ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"):
    setattr(Session, "smtp_" + name, answering(name))


def new_session():
    options = {"hostname": "mail.test", "ident": "test"}
    if user:
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
    if security == "starttls":
        options |= {"tls_context": certificate_context(), "require_starttls": True}
    return Session(Handler(), **options)


async def hang(reader, writer):
    await asyncio.sleep(3600)


async def inject(reader, writer):
    """As somebody between the two would, who cannot read what is encrypted but can write before it."""
    writer.write(b"220 mail.test\r\n")
    while line := await reader.readline():
        if line.upper().startswith(b"STARTTLS"):
            writer.write(b"220 ready\r\n250-mail.test\r\n250 AUTH PLAIN\r\n")
        else:
            writer.write(b"250-mail.test\r\n250 STARTTLS\r\n")


async def main():
    loop = asyncio.get_running_loop()
    if security in ("hang", "inject"):
        server = await asyncio.start_server({"hang": hang, "inject": inject}[security], "127.0.0.1", 0)
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()
    implicit = certificate_context() if security == "tls" else None
    server = await loop.create_server(new_session, "127.0.0.1", 0, ssl=implicit)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
asyncio.run(main())
