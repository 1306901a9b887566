"""What the database itself refuses: changing the audit log, and leaving a client without owner."""

from django.db import migrations

# A statement trigger, so that TRUNCATE is refused as well; ENABLE ALWAYS, so that
# session_replication_role does not get round it. The owner of the table can still disable it by
# ALTER TABLE, which verify_audit is for.
APPEND_ONLY = """
CREATE FUNCTION tenants_auditevent_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only: % is refused.', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER tenants_auditevent_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON tenants_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION tenants_auditevent_refuse();
ALTER TABLE tenants_auditevent ENABLE ALWAYS TRIGGER tenants_auditevent_append_only;
"""
NOT_APPEND_ONLY = """
DROP TRIGGER tenants_auditevent_append_only ON tenants_auditevent;
DROP FUNCTION tenants_auditevent_refuse();
"""

# Deferred, so that a client can go with its members. The lock on the client makes the second of
# two transactions that each remove an owner see what the first has done.
KEEPS_AN_OWNER = """
CREATE FUNCTION tenants_member_keep_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM tenants_client WHERE id = OLD.client_id FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT 1 FROM tenants_member WHERE client_id = OLD.client_id AND role = 'owner'
    ) THEN
        RAISE EXCEPTION 'A client always keeps one owner.' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER tenants_member_keeps_an_owner
    AFTER UPDATE OR DELETE ON tenants_member DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION tenants_member_keep_owner();
"""
KEEPS_NO_OWNER = """
DROP TRIGGER tenants_member_keeps_an_owner ON tenants_member;
DROP FUNCTION tenants_member_keep_owner();
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]  # noqa: RUF012  (Django's own form)

    operations = [  # noqa: RUF012
        migrations.RunSQL(APPEND_ONLY, NOT_APPEND_ONLY),
        migrations.RunSQL(KEEPS_AN_OWNER, KEEPS_NO_OWNER),
    ]
