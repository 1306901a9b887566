from django.db import migrations

# A period of an issued invoice says which days can't be billed again. When its usage was looked at
# last is all that changes of it.
_UP = """
CREATE FUNCTION billing_billingperiod_keep_billed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing_invoice WHERE id = OLD.invoice_id AND state = 'issued') THEN
        RAISE EXCEPTION 'Periods of issued invoices never change: % refused.', TG_OP;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER billing_billingperiod_keep_changed BEFORE UPDATE ON billing_billingperiod
    FOR EACH ROW WHEN (
        (OLD.id, OLD.subscription_id, OLD.invoice_id, OLD.first_day, OLD.end_day, OLD.starts_at,
         OLD.ends_at) IS DISTINCT FROM
        (NEW.id, NEW.subscription_id, NEW.invoice_id, NEW.first_day, NEW.end_day, NEW.starts_at,
         NEW.ends_at)
    ) EXECUTE FUNCTION billing_billingperiod_keep_billed();
CREATE TRIGGER billing_billingperiod_keep_deleted BEFORE DELETE ON billing_billingperiod
    FOR EACH ROW EXECUTE FUNCTION billing_billingperiod_keep_billed();
CREATE TRIGGER billing_billingperiod_keep_all BEFORE TRUNCATE ON billing_billingperiod
    EXECUTE FUNCTION billing_refuse_truncate();
ALTER TABLE billing_billingperiod ENABLE ALWAYS TRIGGER billing_billingperiod_keep_changed;
ALTER TABLE billing_billingperiod ENABLE ALWAYS TRIGGER billing_billingperiod_keep_deleted;
ALTER TABLE billing_billingperiod ENABLE ALWAYS TRIGGER billing_billingperiod_keep_all;
"""
_DOWN = """
DROP TRIGGER billing_billingperiod_keep_changed ON billing_billingperiod;
DROP TRIGGER billing_billingperiod_keep_deleted ON billing_billingperiod;
DROP TRIGGER billing_billingperiod_keep_all ON billing_billingperiod;
DROP FUNCTION billing_billingperiod_keep_billed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0017_dunning_letters"),
    ]

    operations = [migrations.RunSQL(_UP, _DOWN)]
