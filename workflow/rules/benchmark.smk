# Measures: one job per deployment and launch starts the servers once, runs the launch's cells in their random order with
# the sampler alongside, and stops the servers. Finished cells go to the store; the outputs are links into it.
#
# Only what is missing is a job: a cell whose folder already holds the measurement that the configuration asks for (equal
# keys, see docs/architecture.md#keys) has no rule here, so nothing can make Snakemake measure it again or remove it.
#
# INPUTS   {results}/deployments/{deployment}/launch.json
# OUTPUTS  {results}/cells/{deployment}/{workload}/{point}/launch-{launch}/raw/ of each missing cell
# CONFIG   launches, seed, workloads, operating_points, telemetry, measure, remeasure

for planned in PENDING:

    rule:
        name:
            f"benchmark_{re.sub(r'[^A-Za-z0-9]', '_', planned.deployment)}_launch_{planned.job.launch}"
        input:
            launch=f"{RESULTS}/deployments/{planned.deployment}/launch.json",
        output:
            raw=[directory(cell_folder(STUDY.results, cell) / "raw") for cell in planned.cells],
        log:
            f"{LOGS}/benchmark/{planned.deployment}.launch-{planned.job.launch}.log",
        # launch 1 of every deployment, then launch 2; and nothing else beside a measurement
        priority: 1000 - planned.job.launch
        conda:
            CONDA
        threads: workflow.cores
        resources:
            gpu=(
                sum(engine.tensor_parallel_size for engine in STUDY.deployments[planned.deployment].engine.values())
                if STUDY.deployments[planned.deployment].device == "cuda"
                else 0
            ),
        params:
            job=compact_json(planned.job),
            results=lambda wildcards: RESULTS,
        # `exec`: the job is then a child of Snakemake itself, and ends when Snakemake is killed
        shell:
            "exec python -m llmdvfs benchmark --launch {input.launch:q} --job {params.job:q} --results {params.results:q}"
            " --log {log:q}"
