# Resolves how a deployment will be started: argv, environment, roles, versions. Nothing runs yet, so it can be reviewed.
#
# INPUTS   none
# OUTPUTS  {results}/deployments/{deployment}/launch.json
# CONFIG   architectures, device, models, serving


localrules:
    start_server,


rule start_server:
    output:
        launch=f"{DEPLOYMENT}/launch.json",
    log:
        f"{LOGS}/start_server/{{deployment}}.log",
    # before any benchmark, so that jobs become ready in the planned order
    priority: 1_000_000
    conda:
        CONDA
    params:
        deployment=lambda wildcards: compact_json(STUDY.deployments[wildcards.deployment]),
        models=lambda wildcards: f"{RESULTS}/models",
        engine=STUDY.engine_versions,
        code=code_hash(
            ["commands.start_server"],
            only=["architectures", "connectors", "models", "serving", "commands"],
        ),
    shell:
        "python -m llmdvfs start-server --deployment {params.deployment:q} --models {params.models:q}"
        " --output {output.launch:q} > {log:q} 2>&1"
