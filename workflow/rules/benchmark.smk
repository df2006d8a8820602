# Measures: one job per deployment and launch starts the servers once, runs the launch's cells in their random order with
# the sampler alongside, and stops the servers. Finished cells go to the store; the outputs are links into it.
#
# Only what is missing is a job: a cell whose folder already holds the measurement that the configuration asks for (equal
# keys, see docs/architecture.md#keys) has no rule here, so nothing can make Snakemake measure it again or remove it. The
# outputs carry the key in their names: a measurement of another key is not one of them, whatever its time stamp says.
#
# INPUTS   {results}/deployments/{deployment}/launch.json
# OUTPUTS  {cell}/measured-<key>.json, and beside it {cell}/raw, of each missing cell: links into {results}/store/<key>
#          {results}/jobs/   the cells of each job, written when a run starts; which mixed launches were replaced
#          {results}/measured.txt   where failed cells are tolerated: every cell, and whether it was measured
# CONFIG   launches, seed, workloads, operating_points, telemetry, measure, remeasure, strict_launches, tolerate_failed_cells, budget, over_budget


def cores_of(planned):
    """Return the cores of a launch: all, its share where launches are measured side by side, or so that one waits."""
    if PREPARING:
        return cores_of_launch(workflow.cores)
    if not is_beside(STUDY.settings, planned.job.launch) or workflow.cores is None:
        return workflow.cores
    deployment = STUDY.deployments[planned.deployment]
    return share_of_cores(workflow.cores, deployment.num_gpus, len(deployment.gpu_indices))


def write_job_files():
    """Write what jobs are told in files: jobs on other machines find them here."""
    for planned in PENDING:
        write_record(Path(job_file(planned)), planned.job)
    write_record(STUDY.results / PROGRESS, expected_progress(STUDY, PENDING))
    for cells in [CELLS, *map(cells_of, STUDY.deployments)]:
        write_text(Path(list_of(cells)), "".join(f"{cell}\n" for cell in sorted(cells)))
    write_archive_lists()


# A dry run writes nothing; but nobody calls what a module wants done at the start.
if IS_MODULE and workflow.is_main_process:
    write_job_files()


onstart:
    try:
        write_job_files()
    except OSError as error:
        sys.exit(f"llm-dvfs: {told_of(error)}")


for order, (planned, walltime_min, of_cluster) in enumerate(zip(PENDING, WALLTIMES_MIN, SLURM_RESOURCES)):

    rule:
        name:
            f"benchmark_{RULE_NAMES[planned.deployment]}_launch_{planned.job.launch}"
        input:
            launch=f"{RESULTS}/deployments/{planned.deployment}/launch.json",
        output:
            measured=[cell.link for cell in planned.cells],
            # A launch of several starts has all its cells: what is missing is that they are of one (strict_launches).
            one_start=touch(f"{RESULTS}/jobs/{planned.one_start}") if planned.one_start else [],
        log:
            f"{LOGS}/benchmark/{planned.deployment}.launch-{planned.job.launch}.log",
        # launch 1 of every deployment in the study's order, then launch 2: a run that is cut short has what was named first
        priority: 900_000 - order
        conda:
            CONDA
        threads: cores_of(planned)
        resources:
            **of_cluster,
            runtime=walltime_min,
        params:
            job=job_file(planned),
            measurements=[cell.key for cell in planned.cells],
            results=lambda wildcards: RESULTS,
        # `exec`: the job is then a child of Snakemake itself, and ends when Snakemake is killed
        shell:
            "exec python -m llmdvfs benchmark --launch {input.launch:q} --job {params.job:q} --results {params.results:q}"
            " --log {log:q} --parent $PPID"


if STUDY.tolerate_failed_cells:

    localrules:
        measured,

    # What is analysed is known only when all launches have ended: a failed cell has failed.json in its raw folder.
    checkpoint measured:
        input:
            measured=[cell.link for cell in PLAN],
        output:
            list=f"{RESULTS}/measured.txt",
        log:
            f"{LOGS}/measured.log",
        conda:
            CONDA
        shell:
            "for cell in {input.measured:q}; do cell=${{cell%/*}};"
            ' if [ -e "$cell/raw/failed.json" ]; then echo "failed   $cell"; else echo "measured $cell"; fi;'
            " done > {output.list:q} 2> {log:q}"
