"""What Celery's scheduler rings for, and how often. Whether it is due, the database says."""

# Seconds between two calls. One that nobody took until the next is due is dropped.
EVERY = {
    "hosting.tasks.sweep": 5,
    "hosting.tasks.publish_edge": 15,
    "hosting.tasks.reconcile_overdue": 30,
    "hosting.tasks.deliver": 5,
    "hosting.tasks.ship_journals": 5,
    "hosting.tasks.count_usage": 15,
    "hosting.tasks.write_metrics": 30,
    "hosting.tasks.read_counters": 30,
    "billing.tasks.bill": 60,
    "billing.tasks.bill_requested": 15,
    "billing.tasks.make_exports": 15,
    "billing.tasks.make_files": 60,
    "billing.tasks.mail_invoices": 60,
    "billing.tasks.dun": 60,
    "billing.tasks.work_off_online": 60,
    "billing.tasks.check_vat_numbers": 60,
    "billing.tasks.watch_budgets": 60,
    "hosting.tasks.do_chores": 60,
}

BEAT_SCHEDULE = {
    task: {"task": task, "schedule": float(seconds), "options": {"expires": seconds}}
    for task, seconds in EVERY.items()
}
