"""What the other files of deploy/ must have: they parse, nothing of the composition is reachable from
other machines, every role is in it, and the image runs as nobody in particular: files.py QUERIES.

Writes the dashboard's queries to QUERIES, as rules that promtool reads.
"""
import json
import pathlib
import sys

import yaml

ROLES = {"gateway", "storage-node", "cold-reader", "compactor", "control"}

for path in pathlib.Path("deploy").rglob("*"):
    if "templates" in path.parts:
        continue
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix in (".yaml", ".yml"):
        list(yaml.safe_load_all(path.read_text()))

compose = yaml.safe_load(pathlib.Path("deploy/compose/compose.yaml").read_text())
roles = set()
for name, service in compose["services"].items():
    for port in service.get("ports", []):
        assert str(port).startswith("127.0.0.1:"), f"compose: {name} publishes {port}"
    assert service.get("network_mode") != "host", f"compose: {name} is on the host's network"
    if service["image"] == "thermocline":
        roles.add(service["command"][0])
        assert service["read_only"] and service["cap_drop"] == ["ALL"], f"compose: {name}"
        assert "no-new-privileges:true" in service["security_opt"], f"compose: {name}"
    else:
        assert ":" in service["image"], f"compose: {name} has no version"
assert roles == ROLES, f"compose: {ROLES - roles} missing"

dashboard = json.loads(pathlib.Path("deploy/grafana/thermocline.json").read_text())
ids = [panel["id"] for panel in dashboard["panels"]]
assert len(set(ids)) == len(ids), "dashboard: two panels have the same id"
queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
asked = [
    {"record": f"query:{at}", "expr": query.replace("$__rate_interval", "1m")}
    for at, query in enumerate(queries)
]
rules = {"groups": [{"name": "queries", "rules": asked}]}
pathlib.Path(sys.argv[1]).write_text(yaml.safe_dump(rules))

stages = pathlib.Path("deploy/Dockerfile").read_text().split("\nFROM ")
assert stages[-1].startswith("debian:bookworm-slim"), "the image is not slim"
users = [line.split()[1] for line in stages[-1].splitlines() if line.startswith("USER ")]
assert users and users[-1].split(":")[0] not in ("0", "root"), "the image runs as root"
print("deploy: files parse, the composition is private, the image is not root's")
