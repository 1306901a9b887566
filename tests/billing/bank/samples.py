"""Statements as banks send them."""

from __future__ import annotations

ACCOUNT = "DE02120300000000202051"
PAYER = "DE89370400440532013000"


def camt(*entries: str, version: str = "02", account: str = ACCOUNT) -> bytes:
    """A file with one statement."""
    space = f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="{space}"><BkToCstmrStmt>'
        "<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-02-11T06:00:00</CreDtTm></GrpHdr><Stmt><Id>S1</Id>"
        f"<Acct><Id><IBAN>{account}</IBAN></Id></Acct>{''.join(entries)}</Stmt></BkToCstmrStmt>"
        "</Document>"
    ).encode()


def entry(
    amount: str = "35.70",
    *details: str,
    way: str = "CRDT",
    reference: str = "2026021000001",
    day: str = "2026-02-10",
    currency: str = "EUR",
    status: str = "BOOK",
    version: str = "02",
    more: str = "",
) -> str:
    """An ``Ntry``."""
    booked = f"<Sts><Cd>{status}</Cd></Sts>" if version == "08" else f"<Sts>{status}</Sts>"
    known = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd>{more}{booked}'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>{known}"
        f"<NtryDtls>{''.join(details)}</NtryDtls></Ntry>"
    )


def transfer(
    text: str = "INV-000001",
    *,
    amount: str = "",
    name: str = "Acme GmbH",
    iban: str = PAYER,
    end_to_end: str = "NOTPROVIDED",
    structured: str = "",
    version: str = "02",
    side: str = "Dbtr",
    more: str = "",
) -> str:
    """A ``TxDtls``."""
    party = f"<Pty><Nm>{name}</Nm></Pty>" if version == "08" else f"<Nm>{name}</Nm>"
    if not amount:
        own = ""
    elif version == "08":
        own = f'<Amt Ccy="EUR">{amount}</Amt>'
    else:
        own = f'<AmtDtls><TxAmt><Amt Ccy="EUR">{amount}</Amt></TxAmt></AmtDtls>'
    known = f"<Strd><CdtrRefInf><Ref>{structured}</Ref></CdtrRefInf></Strd>" if structured else ""
    said = f"<Ustrd>{text}</Ustrd>" if text else ""
    return (
        f"<TxDtls><Refs><EndToEndId>{end_to_end}</EndToEndId></Refs>{own}"
        f"<RltdPties><{side}>{party}</{side}><{side}Acct><Id><IBAN>{iban}</IBAN></Id></{side}Acct>"
        f"</RltdPties><RmtInf>{said}{known}</RmtInf>{more}</TxDtls>"
    )
