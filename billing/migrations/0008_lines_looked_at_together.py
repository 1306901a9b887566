"""Issued invoices' lines are looked at once a statement: a look for each of them was half the work."""

from django.db import migrations, models

# After the statement its rows are looked at together, with their invoices locked as before: none can
# be added while an invoice is being issued, and what may not be fails as a whole.
TOGETHER = """
DROP TRIGGER billing_invoiceline_keep_issued ON billing_invoiceline;
DROP FUNCTION billing_invoiceline_keep_issued();

CREATE FUNCTION billing_refuse_issued(invoices uuid[], what text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (
            SELECT state FROM billing_invoice WHERE id = ANY(invoices) ORDER BY id FOR SHARE
        ) AS locked WHERE state = 'issued'
    ) THEN
        RAISE EXCEPTION 'The lines of an issued invoice never change: % is refused.', what
            USING ERRCODE = 'restrict_violation';
    END IF;
END $$;

CREATE FUNCTION billing_invoiceline_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing_refuse_issued(ARRAY(SELECT DISTINCT invoice_id FROM new_lines), TG_OP);
    RETURN NULL;
END $$;

CREATE FUNCTION billing_invoiceline_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing_refuse_issued(
        ARRAY(SELECT invoice_id FROM old_lines UNION SELECT invoice_id FROM new_lines), TG_OP
    );
    RETURN NULL;
END $$;

CREATE FUNCTION billing_invoiceline_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing_refuse_issued(ARRAY(SELECT DISTINCT invoice_id FROM old_lines), TG_OP);
    RETURN NULL;
END $$;

CREATE TRIGGER billing_invoiceline_keep_inserted AFTER INSERT ON billing_invoiceline
    REFERENCING NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION billing_invoiceline_inserted();
CREATE TRIGGER billing_invoiceline_keep_updated AFTER UPDATE ON billing_invoiceline
    REFERENCING OLD TABLE AS old_lines NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION billing_invoiceline_updated();
CREATE TRIGGER billing_invoiceline_keep_deleted AFTER DELETE ON billing_invoiceline
    REFERENCING OLD TABLE AS old_lines
    FOR EACH STATEMENT EXECUTE FUNCTION billing_invoiceline_deleted();
ALTER TABLE billing_invoiceline ENABLE ALWAYS TRIGGER billing_invoiceline_keep_inserted;
ALTER TABLE billing_invoiceline ENABLE ALWAYS TRIGGER billing_invoiceline_keep_updated;
ALTER TABLE billing_invoiceline ENABLE ALWAYS TRIGGER billing_invoiceline_keep_deleted;
"""
ONE_BY_ONE = """
DROP TRIGGER billing_invoiceline_keep_deleted ON billing_invoiceline;
DROP TRIGGER billing_invoiceline_keep_updated ON billing_invoiceline;
DROP TRIGGER billing_invoiceline_keep_inserted ON billing_invoiceline;
DROP FUNCTION billing_invoiceline_deleted();
DROP FUNCTION billing_invoiceline_updated();
DROP FUNCTION billing_invoiceline_inserted();
DROP FUNCTION billing_refuse_issued(uuid[], text);

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
CREATE TRIGGER billing_invoiceline_keep_issued BEFORE INSERT OR UPDATE OR DELETE
    ON billing_invoiceline FOR EACH ROW EXECUTE FUNCTION billing_invoiceline_keep_issued();
ALTER TABLE billing_invoiceline ENABLE ALWAYS TRIGGER billing_invoiceline_keep_issued;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_reports")]  # noqa: RUF012  (Django's own form)

    operations = [  # noqa: RUF012
        migrations.RunSQL(TOGETHER, ONE_BY_ONE),
        migrations.AlterField(
            model_name="invoiceline",
            name="invoice",
            field=models.ForeignKey(
                db_index=False,
                on_delete=models.deletion.PROTECT,
                related_name="lines",
                to="billing.invoice",
            ),
        ),
    ]
