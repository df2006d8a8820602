# Puts requests, telemetry readings, proxy stamps and engine metrics of a cell on one time axis and names their phases.
#
# INPUTS   {cell}/measured-<key>.json, which leads to {cell}/raw/
# OUTPUTS  {cell}/timeline.csv   one row a telemetry reading, with the phase it fell into
#          {cell}/phases.json    every phase of every request
# CONFIG   none


rule monitor_merge:
    input:
        measured=measured_link,
    output:
        timeline=f"{CELL}/timeline.csv",
        phases=f"{CELL}/phases.json",
    log:
        f"{LOGS}/monitor_merge/{{deployment}}/{{workload}}.{{point}}.launch-{{launch}}.log",
    conda:
        CONDA
    params:
        raw=f"{CELL}/raw",
        code=code_hash(["stages.monitor_merge"]),
    shell:
        "python -m llmdvfs monitor-merge --raw {params.raw:q} --timeline {output.timeline:q} --phases {output.phases:q}"
        " > {log:q} 2>&1"
