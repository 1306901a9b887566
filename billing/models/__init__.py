"""Tables of what it costs: prices, subscriptions, invoices and payments, and of language models."""

from billing.models.bank import BankLine, BankStatement
from billing.models.bookkeeping import Bookkeeping, DebtorAccount, VatAccount
from billing.models.client_budget import ClientBudget
from billing.models.cost import ModelCost
from billing.models.discount import Coupon, CreditEntry, Discount
from billing.models.downtime import DowntimeCredit
from billing.models.dunning import (
    DunningGrace,
    DunningPolicy,
    DunningStep,
    DunningSuspension,
)
from billing.models.export import InvoiceExport, InvoiceExportPart
from billing.models.file import InvoiceFile
from billing.models.invoice import BillingPeriod, Invoice, InvoiceLine
from billing.models.mail import InvoiceMail
from billing.models.online import OnlineEvent, OnlinePage, OnlineReversal
from billing.models.party import BillingProfile, NumberSeries, Seller
from billing.models.payment import Payment, Settlement
from billing.models.price import Interval, Price
from billing.models.rate import PlanBudget, Rate
from billing.models.run import BillingRun
from billing.models.server_cost import ServerCost
from billing.models.subscription import Following, Span, Subscription

__all__ = [
    "BankLine",
    "BankStatement",
    "BillingPeriod",
    "BillingProfile",
    "BillingRun",
    "Bookkeeping",
    "ClientBudget",
    "Coupon",
    "CreditEntry",
    "DebtorAccount",
    "Discount",
    "DowntimeCredit",
    "DunningGrace",
    "DunningPolicy",
    "DunningStep",
    "DunningSuspension",
    "Following",
    "Interval",
    "Invoice",
    "InvoiceExport",
    "InvoiceExportPart",
    "InvoiceFile",
    "InvoiceLine",
    "InvoiceMail",
    "ModelCost",
    "NumberSeries",
    "OnlineEvent",
    "OnlinePage",
    "OnlineReversal",
    "Payment",
    "PlanBudget",
    "Price",
    "Rate",
    "Seller",
    "ServerCost",
    "Settlement",
    "Span",
    "Subscription",
    "VatAccount",
]
