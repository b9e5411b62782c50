#!/bin/bash
# Makes a project of $DATA_DIR and leaves the paths of its webhooks there, which the engine makes up itself.
set -eu
here=$(dirname "$(readlink -f "$0")")
cp -r "$PEER_HOME/project" "$DATA_DIR/project"
cp "$here/ack.yaml" "$DATA_DIR/project/scenarios/"
cd "$DATA_DIR/project"
"$PEER_HOME/venv/bin/engine" webhooks --json | "$PEER_HOME/venv/bin/python" -c '
import json, sys, urllib.parse
for webhook in json.load(sys.stdin)["webhooks"]:
    [scenario] = webhook["listeners"]
    name = {"loyalty-3": "hook", "ack": "ack"}[scenario]
    with open(f"{sys.argv[1]}/{name}.path", "w") as file:
        file.write(urllib.parse.urlsplit(webhook["url"]).path)
' "$DATA_DIR"
