"""What the database itself refuses: billing a day twice, and changing what was issued or recorded."""

from django.db import migrations

# Whatever runs race or crash: a day of a subscription lies in one billing period and one span.
NO_OVERLAP = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE billing_billingperiod ADD CONSTRAINT billing_periods_do_not_overlap
    EXCLUDE USING gist (subscription_id WITH =, tstzrange(starts_at, ends_at) WITH &&);
ALTER TABLE billing_billingperiod ADD CONSTRAINT billed_days_do_not_overlap
    EXCLUDE USING gist (subscription_id WITH =, daterange(first_day, end_day) WITH &&);
ALTER TABLE billing_span ADD CONSTRAINT spans_do_not_overlap
    EXCLUDE USING gist (subscription_id WITH =, daterange(first_day, end_day) WITH &&);
"""
MAY_OVERLAP = """
ALTER TABLE billing_span DROP CONSTRAINT spans_do_not_overlap;
ALTER TABLE billing_billingperiod DROP CONSTRAINT billed_days_do_not_overlap;
ALTER TABLE billing_billingperiod DROP CONSTRAINT billing_periods_do_not_overlap;
"""

# As for the audit log: ENABLE ALWAYS, so that session_replication_role does not get round them, and
# TRUNCATE is refused as well. A line is looked at with its invoice locked, so that none can be added
# while it is being issued.
IMMUTABLE = """
CREATE FUNCTION billing_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What was issued or recorded is kept: TRUNCATE of % is refused.', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What was recorded never changes: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION billing_invoice_keep_issued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'issued' THEN
        RAISE EXCEPTION 'An issued invoice never changes: % is refused.', TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION billing_invoiceline_keep_issued() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_issued boolean;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        SELECT state = 'issued' INTO is_issued FROM billing_invoice
            WHERE id = OLD.invoice_id FOR SHARE;
        IF is_issued THEN
            RAISE EXCEPTION 'The lines of an issued invoice never change: % is refused.', TG_OP
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT state = 'issued' INTO is_issued FROM billing_invoice
            WHERE id = NEW.invoice_id FOR SHARE;
        IF is_issued THEN
            RAISE EXCEPTION 'The lines of an issued invoice never change: % is refused.', TG_OP
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER billing_invoice_keep_issued BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_invoice_keep_issued();
CREATE TRIGGER billing_invoice_keep_all BEFORE TRUNCATE ON billing_invoice
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_truncate();
CREATE TRIGGER billing_invoiceline_keep_issued BEFORE INSERT OR UPDATE OR DELETE
    ON billing_invoiceline FOR EACH ROW EXECUTE FUNCTION billing_invoiceline_keep_issued();
CREATE TRIGGER billing_invoiceline_keep_all BEFORE TRUNCATE ON billing_invoiceline
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_truncate();
CREATE TRIGGER billing_payment_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_payment
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER billing_creditentry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON billing_creditentry FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
-- A price that no line has can be taken back, as its row; the foreign key keeps all others.
CREATE TRIGGER billing_price_never_changes BEFORE UPDATE OR TRUNCATE ON billing_price
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();

ALTER TABLE billing_invoice ENABLE ALWAYS TRIGGER billing_invoice_keep_issued;
ALTER TABLE billing_invoice ENABLE ALWAYS TRIGGER billing_invoice_keep_all;
ALTER TABLE billing_invoiceline ENABLE ALWAYS TRIGGER billing_invoiceline_keep_issued;
ALTER TABLE billing_invoiceline ENABLE ALWAYS TRIGGER billing_invoiceline_keep_all;
ALTER TABLE billing_payment ENABLE ALWAYS TRIGGER billing_payment_append_only;
ALTER TABLE billing_creditentry ENABLE ALWAYS TRIGGER billing_creditentry_append_only;
ALTER TABLE billing_price ENABLE ALWAYS TRIGGER billing_price_never_changes;
"""
MUTABLE = """
DROP TRIGGER billing_price_never_changes ON billing_price;
DROP TRIGGER billing_creditentry_append_only ON billing_creditentry;
DROP TRIGGER billing_payment_append_only ON billing_payment;
DROP TRIGGER billing_invoiceline_keep_all ON billing_invoiceline;
DROP TRIGGER billing_invoiceline_keep_issued ON billing_invoiceline;
DROP TRIGGER billing_invoice_keep_all ON billing_invoice;
DROP TRIGGER billing_invoice_keep_issued ON billing_invoice;
DROP FUNCTION billing_invoiceline_keep_issued();
DROP FUNCTION billing_invoice_keep_issued();
DROP FUNCTION billing_refuse_change();
DROP FUNCTION billing_refuse_truncate();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_prices_and_invoices")]  # noqa: RUF012  (Django's own form)

    operations = [  # noqa: RUF012
        migrations.RunSQL(NO_OVERLAP, MAY_OVERLAP),
        migrations.RunSQL(IMMUTABLE, MUTABLE),
    ]
