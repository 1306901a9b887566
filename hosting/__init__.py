"""What runs and how: catalog, plans, servers, instances, operations, engines, the edge."""
