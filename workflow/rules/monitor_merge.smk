# Puts requests, telemetry readings, proxy stamps and engine metrics of a cell on one time axis and names their phases.
#
# INPUTS   {cell}/raw/
# OUTPUTS  {cell}/timeline.csv   one row a telemetry reading, with the phase it fell into
#          {cell}/phases.json    every phase of every request
# CONFIG   none


rule monitor_merge:
    input:
        raw=f"{CELL}/raw",
    output:
        timeline=f"{CELL}/timeline.csv",
        phases=f"{CELL}/phases.json",
    log:
        f"{LOGS}/monitor_merge/{{deployment}}/{{workload}}.{{point}}.launch-{{launch}}.log",
    conda:
        CONDA
    params:
        code=code_hash(["stages.monitor_merge"]),
    shell:
        "python -m llmdvfs monitor-merge --raw {input.raw:q} --timeline {output.timeline:q} --phases {output.phases:q}"
        " > {log:q} 2>&1"
