"""What is written into nginx's configuration, piece by piece.

Most are format strings that ``render`` fills in, where a brace of nginx's own is doubled. ``MAPS``,
``CLOSED``, ``USED_UP``, ``NO_LOG``, ``MISSED`` and ``AFTER_HOLD`` are used as they stand.
"""

from __future__ import annotations

# Below crit the error log quotes whole request lines with their query strings, where OAuth codes
# and webhook tokens travel; what an upstream did is in the access log, which leaves them out.
HEAD = """
worker_processes {workers};
worker_rlimit_nofile {files};
worker_shutdown_timeout {drain}s;
pid "{directory}/nginx.pid";
error_log "{directory}/logs/error.log" crit;

events {{
    worker_connections {connections};
}}

http {{
    server_tokens off;
    default_type application/octet-stream;
    types {{ text/html html; }}
    charset utf-8;
    client_body_temp_path "{directory}/temp/body";
    proxy_temp_path "{directory}/temp/proxy";
    fastcgi_temp_path "{directory}/temp/fastcgi";
    uwsgi_temp_path "{directory}/temp/uwsgi";
    scgi_temp_path "{directory}/temp/scgi";

    client_header_timeout 15s;
    client_body_timeout 60s;
    send_timeout 60s;
    large_client_header_buffers 4 16k;
    map_hash_max_size {hash_size};
    map_hash_bucket_size {bucket_size};
    server_names_hash_max_size {hash_size};
    server_names_hash_bucket_size {bucket_size};
"""

# Only WebSockets are upgraded: passing any Upgrade header on would let a client speak h2c past the
# edge. The Host that instances see is the one that was routed by, with the port that was dialled.
MAPS = """
    map $http_upgrade $berth_upgrade { default ""; ~*^websocket$ websocket; }
    map $http_upgrade $berth_connection { default close; ~*^websocket$ upgrade; }
    map $http_host $berth_port { default ""; "~(?<berth_dialled>:[0-9]+)$" $berth_dialled; }
    map $request_uri $berth_path { default ""; "~^(?<berth_no_query>[^?]*)" $berth_no_query; }
    map $request $berth_method { default ""; "~^(?<berth_first_word>[A-Z]+) " $berth_first_word; }
    map "$status$berth_is_used_up" $berth_retry_after {
        default ""; 429 1; 502 10; 503 30; 504 10;
    }
"""

# Express, on which n8n and Flowise stand, takes neither case nor a slash at the end to matter. What
# is compared is the path as nginx understands it: decoded, with neither dots nor doubled slashes.
CLOSED = """
    map "$berth_closed $uri" $berth_is_closed { default ""; "~*^(/[^ ]+) \\1/*$" 1; }
"""

# The same of paths with spaces between them, and of all that is below them.
USED_UP = """
    map "$berth_used_up|$uri" $berth_is_used_up {
        default "";
        "~*^(?:[^|]* )?(/[^ |]+)(?: [^|]*)?\\|\\1(?:/|$)" 1;
    }
"""

# An error page's request is a GET by then, so method and path come from the request as it arrived.
LOG = """
    log_format berth escape=json '{{"time":"$time_iso8601","instance":"$berth_instance",'
        '"host":"$host","client":"$remote_addr","method":"$berth_method","path":"$berth_path",'
        '"status":$status,"bytes":$bytes_sent,"seconds":$request_time,'
        '"upstream":"$upstream_addr","upstream_status":"$upstream_status",'
        '"upstream_seconds":"$upstream_response_time","agent":"$http_user_agent"}}';
    access_log "{directory}/logs/access.log" berth;
"""

NO_LOG = "\n    access_log off;\n"

# X-Accel-Redirect is the holding process's word alone: an instance that could say it would have the
# edge dial what it likes.
PROXY = """
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_redirect off;
    proxy_ignore_headers X-Accel-Redirect;
    proxy_connect_timeout {connect}s;
    proxy_read_timeout {read}s;
    proxy_send_timeout 60s;
    proxy_set_header Host $host$berth_port;
    proxy_set_header X-Forwarded-Host $host$berth_port;
    proxy_set_header X-Forwarded-Proto $berth_scheme;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-Port "";
    proxy_set_header X-Forwarded-Prefix "";
    proxy_set_header Forwarded "";
    proxy_set_header Proxy "";
    proxy_set_header Upgrade $berth_upgrade;
    proxy_set_header Connection $berth_connection;
"""

PAGES = """
        location ^~ /.berth/page/ {{
            internal;
            alias "{directory}/pages/";
            client_max_body_size 0;
            ssi on;
            add_header Retry-After $berth_retry_after always;
            add_header Cache-Control no-store always;
            add_header Content-Security-Policy "default-src 'none'; style-src 'unsafe-inline'"
                always;
        }}
    }}
"""

UNKNOWN = """
    server {{
{listens}
        server_name _;
        error_page 404 /.berth/page/unknown.html;
        location / {{ return 404; }}
"""

SERVER = """
    server {{
{listens}
{names}
        client_max_body_size {body};
        recursive_error_pages on;
        error_page 413 /.berth/page/too-large.html;
        error_page 429 /.berth/page/too-many.html;
        error_page 502 504 = @berth_missed;
        error_page 503 /.berth/page/$berth_state.html;
        error_page 597 =429 /.berth/page/used-up.html;
        error_page 599 = @berth_hold;
        location / {{
            if ($berth_is_closed) {{ return 404; }}
            if ($berth_state) {{ return 503; }}
            if ($berth_is_used_up) {{ return 597; }}
            if (-f "{directory}/held/$berth_instance") {{ return 599; }}{limit}
            proxy_pass http://$berth_upstream;
        }}
"""

UPSTREAM = """
    upstream berth_hold {{ server "unix:{socket}"; }}
"""

# The holding process is told the instance and the request's size, and nothing that a client wrote.
# Its proxy_ignore_headers takes back what holds for instances: its X-Accel-Redirect is followed.
# The size goes in a header, as those are made after the body was read, and the URL before.
# A socket that is not there is crit to nginx, which would quote the request line; hence emerg.
ASK = """
            error_log "{directory}/logs/error.log" emerg;
            proxy_pass http://berth_hold/{kind}/$berth_instance;
            proxy_method GET;
            proxy_pass_request_headers off;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Berth-Size $request_length;
            proxy_ignore_headers X-Accel-Charset;
            proxy_read_timeout {seconds}s;
        }}
"""

HOLD = """
        location @berth_hold {{
            error_page 413 /.berth/page/too-large.html;
            error_page 429 /.berth/page/too-many.html;
            error_page 502 504 =503 /.berth/page/starting.html;{limit}"""

# A request of which the instance got not one byte may be sent again without being done twice: one
# whose body took so long to arrive that a hold began meanwhile, say.
MISSED = """
        location @berth_missed {
            error_page 502 504 598 = @berth_unreachable;
            set $berth_missed $upstream_status;
            if ($upstream_bytes_sent !~ "(^|[ :,])0$") { return 598; }"""

# `set` comes before the proxy forgets what the holding process answered.
AFTER_HOLD = """
        location @berth_app {
            set $berth_released $upstream_http_x_berth_upstream;
            proxy_pass http://$berth_released;
        }
        location @berth_unreachable {
            error_page 502 504 /.berth/page/unreachable.html;
            if ($berth_missed ~ "504$") { return 504; }
            return 502;
        }
        location @berth_starting { error_page 503 /.berth/page/starting.html; return 503; }
        location @berth_stopped { error_page 503 /.berth/page/stopped.html; return 503; }
        location @berth_failed { error_page 503 /.berth/page/failed.html; return 503; }
"""

STATUS = """
    server {{
        listen "unix:{socket}";
        access_log off;
        location = /generation {{ default_type text/plain; return 200 "{generation}"; }}
        location / {{ return 404; }}
    }}
}}
"""
