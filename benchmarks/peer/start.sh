#!/bin/bash
# Serves the project in the foreground; connections.yaml reads STUB_URL.
cd "$DATA_DIR/project"
exec "$PEER_HOME/venv/bin/engine" serve --port "$PORT"
