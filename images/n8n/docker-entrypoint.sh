#!/bin/sh
# Starts n8n: `start` without arguments, else the command that the arguments name.
exec n8n "$@"
