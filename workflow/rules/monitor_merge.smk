# Puts requests, telemetry readings, proxy stamps and engine metrics of a cell on one time axis and names their phases.
# Only what is missing is a job, of some cells of one deployment (docs/architecture.md#keys).
#
# INPUTS   {cell}/measured-<key>.json, which leads to {cell}/raw/
# OUTPUTS  {cell}/timeline.csv   one row a telemetry reading, with the phase it fell into
#          {cell}/phases.json    every phase of every request
# CONFIG   none

for part, cells in jobs(TO_MAKE, "merge", CELLS_OF_ONE_JOB):

    rule:
        name:
            job_name("monitor_merge", part, cells)
        input:
            measured=measurements_of([str(cell.measured) for cell in cells]),
            launches=AFTER_LAUNCHES,
        output:
            made=made_by("merge", cells),
        log:
            f"{LOGS}/{job_name('monitor_merge', part, cells)}.log",
        priority: NUMBERS_FIRST
        conda:
            CONDA
        params:
            cells=[str(cell.folder) for cell in cells],
            stamps=[STAMPS[str(cell.folder)]["merge"] for cell in cells],
        shell:
            "(python -m llmdvfs monitor-merge {params.cells:q} && touch {params.stamps:q}) > {log:q} 2>&1"
