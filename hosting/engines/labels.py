"""The labels of everything that an engine creates, and by which it finds everything again."""

LABEL_INSTANCE = "berth.instance"
LABEL_SERVICE = "berth.service"
LABEL_SPEC = "berth.spec"
LABEL_OWNER = "berth.owner"  # which Berth installation made it, so that two never mix on one engine
LABEL_LIMITS = "berth.limits"  # as they were given to it, to notice what hands have changed since
