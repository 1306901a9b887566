"""What the Compose specification allows and Berth refuses, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

_HOST = "a client's stack sees nothing of the server it runs on"
_PLAN = "the plan sets the limits; say in x-berth.shares which part of them the service gets"
_NETWORKS = "Berth gives every instance networks and addresses of its own"
_VOLUMES = "Berth makes the instance's volumes itself and keeps them on the server"
_NO_FILES = "Berth reads nothing but this file; write the values here"

SERVICE: Mapping[str, str] = {
    "ports": "Berth publishes no port; the edge reaches x-berth.web",
    "build": "Berth builds no image; name a ready one in image",
    "privileged": "no container of a client is privileged",
    "network_mode": "Berth gives every instance networks of its own; name them in networks",
    "pid": f"the host's processes stay hidden; {_HOST}",
    "ipc": f"shared memory stays inside the container; {_HOST}",
    "uts": f"the host's name stays its own; {_HOST}",
    "userns_mode": f"user namespaces are the engine's matter; {_HOST}",
    "cgroup": f"control groups are the engine's matter; {_HOST}",
    "cgroup_parent": f"control groups are the engine's matter; {_HOST}",
    "devices": f"no device is handed in; {_HOST}",
    "device_cgroup_rules": f"no device is handed in; {_HOST}",
    "gpus": f"no device is handed in; {_HOST}",
    "runtime": f"the runtime is the engine's matter; {_HOST}",
    "security_opt": "Berth sets the security options itself, no-new-privileges among them",
    "cap_drop": "Berth drops every capability; name the ones the image needs in cap_add",
    "sysctls": f"kernel parameters are the engine's matter; {_HOST}",
    "extra_hosts": "services find each other by name, and other hosts by DNS",
    "dns": "the engine's own DNS finds the services of the stack",
    "dns_search": "the engine's own DNS finds the services of the stack",
    "links": "services in a common network find each other by name; use networks",
    "external_links": "an instance reaches no container but its own",
    "volumes_from": "name the volume in the volumes of each service that needs it",
    "container_name": "Berth names the containers, so that two instances never collide",
    "hostname": "a service's host name is its name; use networks.<name>.aliases for more names",
    "domainname": "a service's host name is its name; use networks.<name>.aliases for more names",
    "mac_address": _NETWORKS,
    "deploy": _PLAN,
    "mem_limit": _PLAN,
    "memswap_limit": _PLAN,
    "mem_reservation": _PLAN,
    "mem_swappiness": _PLAN,
    "cpus": _PLAN,
    "cpu_count": _PLAN,
    "cpu_percent": _PLAN,
    "cpu_shares": _PLAN,
    "cpu_quota": _PLAN,
    "cpu_period": _PLAN,
    "cpuset": _PLAN,
    "pids_limit": _PLAN,
    "shm_size": "mount a tmpfs at /dev/shm instead; it counts against the service's memory",
    "ulimits": _PLAN,
    "blkio_config": _PLAN,
    "oom_kill_disable": _PLAN,
    "oom_score_adj": _PLAN,
    "scale": "a service runs once; write a second service instead",
    "restart": "Berth restarts what dies",
    "labels": "Berth finds what it made by labels of its own",
    "annotations": "Berth finds what it made by labels of its own",
    "label_file": _NO_FILES,
    "env_file": _NO_FILES,
    "extends": _NO_FILES,
    "configs": "use a secret with a template in x-berth.secrets for a configuration file",
    "credential_spec": _NO_FILES,
    "logging": "Berth keeps a bounded log of every service",
    "profiles": "every service of the file runs; write a second file for a variant",
    "platform": "the server's own platform is used",
    "pull_policy": "Berth pulls what is missing before anything stops",
    "stop_signal": "set the signal in the image",
    "stdin_open": "no terminal is attached to a service",
    "tty": "no terminal is attached to a service",
    "group_add": 'give the group in user, such as "1000:1000"',
    "isolation": f"isolation is the engine's matter; {_HOST}",
    "storage_opt": "the plan sets the disk",
    "develop": "a catalog file describes what runs in production",
    "post_start": "put the command into the image's entrypoint",
    "pre_stop": "put the command into the image's entrypoint",
    "provider": "every service is a container",
    "models": "every service is a container",
    "use_api_socket": "no container reaches the engine",
    "attach": "Berth keeps a bounded log of every service",
}

NETWORK: Mapping[str, str] = {
    "driver": _NETWORKS,
    "driver_opts": _NETWORKS,
    "ipam": _NETWORKS,
    "name": _NETWORKS,
    "attachable": _NETWORKS,
    "enable_ipv4": _NETWORKS,
    "enable_ipv6": _NETWORKS,
    "labels": "Berth finds what it made by labels of its own",
    "external": "an instance joins no network but its own",
}

ATTACHMENT: Mapping[str, str] = {
    "ipv4_address": _NETWORKS,
    "ipv6_address": _NETWORKS,
    "link_local_ips": _NETWORKS,
    "mac_address": _NETWORKS,
    "driver_opts": _NETWORKS,
    "gw_priority": _NETWORKS,
    "priority": _NETWORKS,
    "interface_name": _NETWORKS,
}

VOLUME: Mapping[str, str] = {
    "driver": _VOLUMES,
    "driver_opts": _VOLUMES,
    "name": _VOLUMES,
    "labels": "Berth finds what it made by labels of its own",
    "external": "an instance mounts no volume but its own",
}

MOUNT: Mapping[str, str] = {
    "bind": f"only named volumes are mounted; {_HOST}",
    "tmpfs": "use the service's tmpfs key",
    "volume": "a volume is mounted whole, filled from the image when it is new",
    "consistency": "volumes are local to the server",
    "image": "only named volumes are mounted",
}

SECRET: Mapping[str, str] = {
    "environment": "a secret is a file: write file: ./secrets/<name> and describe it in x-berth",
    "external": "a secret is a file: write file: ./secrets/<name> and describe it in x-berth",
    "name": "a secret's name is its key",
    "labels": "Berth finds what it made by labels of its own",
    "driver": "Berth keeps the secrets itself, encrypted",
    "template_driver": "use template in x-berth.secrets",
}

SECRET_USE: Mapping[str, str] = {
    "uid": "a secret belongs to root and its mode says who reads it",
    "gid": "a secret belongs to root and its mode says who reads it",
}

HEALTHCHECK: Mapping[str, str] = {
    "disable": "leave healthcheck out instead",
    "start_interval": "Berth asks a starting service often by itself",
}

TOP: Mapping[str, str] = {
    "configs": "use a secret with a template in x-berth.secrets for a configuration file",
    "include": _NO_FILES,
    "name": "the file's name is the app's name",
    "version": "the Compose specification knows no version any more; leave it out",
    "models": "every service is a container",
}
