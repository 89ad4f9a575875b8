"""What a rendered chart must have: resources.py RENDERED CONFIGS QUERIES.

Looks at the resources in RENDERED, writes the TOML files of ConfigMaps to the folder CONFIGS, and the
queries of autoscalers to QUERIES, as rules that promtool reads.
"""
import pathlib
import sys

import kubernetes_validate
import yaml

KUBERNETES = "1.30"
# Of custom resources there is no schema: these are the fields that they may have.
CUSTOM = {
    "PodMonitor": {"selector", "podTargetLabels", "podMetricsEndpoints"},
    "PrometheusRule": {"groups"},
    "ScaledObject": {
        "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod",
        "fallback", "advanced", "triggers",
    },
}
ROLES = {"gateway", "storage-node", "cold-reader", "compactor", "control"}
# A role drains for 30 s, after a gateway's pause of 5 s.
GRACE_SECONDS = 40
READABLE_BY_GROUP_ONLY = 0o440


def check_schema(resource):
    kind = resource["kind"]
    if kind in CUSTOM:
        unknown = set(resource["spec"]) - CUSTOM[kind]
        assert not unknown, f"{kind}: unknown {unknown}"
    else:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def check_pod(name, pod, configs):
    assert pod["securityContext"]["runAsNonRoot"], f"{name} may be root"
    assert not pod["automountServiceAccountToken"], f"{name} can speak to Kubernetes"
    assert pod["terminationGracePeriodSeconds"] >= GRACE_SECONDS, f"{name} has no time to drain"
    assert pod["topologySpreadConstraints"] and pod["affinity"]["podAntiAffinity"], name
    (container,) = pod["containers"]
    safety = container["securityContext"]
    assert safety["readOnlyRootFilesystem"] and safety["capabilities"] == {"drop": ["ALL"]}, name
    assert not safety["allowPrivilegeEscalation"], name
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz", f"{name} is ready too soon"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", name
    assert {"requests", "limits"} <= set(container["resources"]), f"{name} has no bounds"
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(volumes) <= mounted, f"{name} does not mount {set(volumes) - mounted}"
    for volume in volumes.values():
        if "secret" in volume:
            mode = volume["secret"].get("defaultMode")
            assert mode == READABLE_BY_GROUP_ONLY, f"{name}: {volume['name']} may be read by others"
        else:
            assert volume["configMap"]["name"] in configs, f"{name}: no {volume['configMap']}"


def check_together(resources):
    named = {(it["kind"], it["metadata"]["name"]): it for it in resources}
    assert len(named) == len(resources), "two resources have the same name"
    sets = {name: it for (kind, name), it in named.items() if kind in ("StatefulSet", "Deployment")}
    configs = {name for kind, name in named if kind == "ConfigMap"}
    for name, workload in sets.items():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items(), name
        check_pod(name, workload["spec"]["template"]["spec"], configs)
        role = labels["app.kubernetes.io/component"]
        budget = named.get(("PodDisruptionBudget", name))
        assert budget or role in ("compactor", "vantage"), f"{name} has no disruption budget"
        if budget:
            assert budget["spec"]["selector"] == workload["spec"]["selector"], name
    scaled = {it["spec"]["scaleTargetRef"]["name"] for it in resources if "scaleTargetRef" in it.get("spec", {})}
    for name, workload in sets.items():
        is_scaled, says = name in scaled, "replicas" in workload["spec"]
        assert is_scaled != says, f"{name}: how many there are, an autoscaler or the chart says"
    assert scaled <= set(sets), f"nobody is called {scaled - set(sets)}"


def main():
    rendered, folder, queries = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    resources = [it for it in yaml.safe_load_all(pathlib.Path(rendered).read_text()) if it]
    for resource in resources:
        check_schema(resource)
    check_together(resources)
    folder.mkdir(parents=True)
    for resource in resources:
        if resource["kind"] == "ConfigMap":
            for name, text in resource["data"].items():
                (folder / name).write_text(text)
    assert {path.stem for path in folder.iterdir()} - {"vantage"} == ROLES, sorted(folder.iterdir())
    triggers = [
        trigger["metadata"]["query"]
        for it in resources if it["kind"] == "ScaledObject"
        for trigger in it["spec"]["triggers"]
    ]
    assert not any("PODS" in query for query in triggers), triggers
    asked = [{"record": f"query:{at}", "expr": query} for at, query in enumerate(triggers)]
    queries.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))


main()
