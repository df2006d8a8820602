# Turns a cell's phases into its numbers and figures, and a deployment's cells into the files that users of the original
# system know by name.
#
# INPUTS   {cell}/measured-<key>.json, which leads to {cell}/raw/, {cell}/phases.json, {cell}/timeline.csv
# OUTPUTS  {cell}/result.json               latency, throughput, energy by phase, KV transfer, validity gates
#          {cell}/timeline.png .pdf         power (or CPU), phases and requests over time
#          {cell}/latency.png .pdf          distributions of TTFT, TBT and E2E
#          {results}/deployments/{deployment}/...   see docs/metrics.md#files
# CONFIG   gates, seed, figures

PHASE_FILES = {
    False: [
        "prefill_results.json",
        "decode_results.json",
        "unified_results.json",
        "batch_results.json",
        "gpu_data.json",
    ],
    True: [
        "disaggregated_results.json",
        "batch_results.json",
        "prefill_gpu_data.json",
        "decode_gpu_data.json",
    ],
}
PHASE_FIGURES = {
    False: ["vllm_server_comparison", "batch_analysis"],
    True: ["disaggregated_performance_analysis", "batch_analysis"],
}


for part, cells in jobs(TO_MAKE, "analyze", CELLS_OF_ONE_JOB):

    rule:
        name:
            job_name("analyze", part, cells)
        input:
            merged=wanted_made("merge", cells),
            launches=AFTER_LAUNCHES,
        output:
            made=made_by("analyze", cells),
        log:
            f"{LOGS}/{job_name('analyze', part, cells)}.log",
        priority: NUMBERS_FIRST
        conda:
            CONDA
        params:
            cells=[str(cell.folder) for cell in cells],
            stamps=[STAMPS[str(cell.folder)]["analyze"] for cell in cells],
            gates=compact_json(STUDY.gates),
            seed=STUDY.seed,
        shell:
            # what a cell gave goes to the terminal, everything else into the log
            "(python -m llmdvfs analyze --tell 3 --gates {params.gates:q} --seed {params.seed} {params.cells:q}"
            " && touch {params.stamps:q}) 3>&2 > {log:q} 2>&1"


for part, cells in jobs(TO_MAKE, "figures", CELLS_OF_ONE_JOB):

    rule:
        name:
            job_name("plot_cell", part, cells)
        input:
            analysed=wanted_made("analyze", cells),
            launches=AFTER_LAUNCHES,
        output:
            made=[
                (
                    report(
                        file,
                        caption=f"../report/cell_{Path(file).stem}.rst",
                        category="Cells",
                        subcategory=Path(file).parts[-5],
                        labels=dict(
                            zip(
                                ("workload", "point", "launch", "figure"),
                                Path(file).with_suffix("").parts[-4:],
                                strict=True,
                            )
                        ),
                    )
                    if Path(file).suffix == ".png"
                    else file
                )
                for file in made_by("figures", cells)
            ],
        log:
            f"{LOGS}/{job_name('plot_cell', part, cells)}.log",
        conda:
            CONDA
        params:
            cells=[str(cell.folder) for cell in cells],
            stamps=[STAMPS[str(cell.folder)]["figures"] for cell in cells],
            only=["--only-doubtful"] if STUDY.drawn_cells == "doubtful" else [],
        shell:
            "(python -m llmdvfs figures cell {params.only} --cell {params.cells:q} && touch {params.stamps:q}) > {log:q} 2>&1"


localrules:
    analysed,
    cells_of_deployment,


# What a search needs between its rounds: numbers, no figures.
rule analysed:
    input:
        measured=[wanted_of(planned) for planned in PENDING],
        results=lambda wildcards: wanted_stages(["analyze"], measured_cells()),


# As with the comparison: the files of a deployment are those of this set of measurements, and of no other. What the list
# is made from is in its name. A list that is current has no rule: it waits for what is analysed in this run, which the
# next run does not ask for, and with fewer inputs Snakemake would make it again, and all that is made from it.
rule cells_of_deployment:
    input:
        analysed=lambda wildcards: wanted_stages(["analyze"], deployment_cells(wildcards.deployment)),
    output:
        cells=f"{DEPLOYMENT}/{{list}}.txt",
    log:
        f"{LOGS}/cells_of_deployment/{{deployment}}.{{list}}.log",
    wildcard_constraints:
        deployment=one_of(filter(is_listed_anew, STUDY.deployments)) or "none",
        list="cells-[0-9a-f]+",
    priority: NUMBERS_FIRST
    conda:
        CONDA
    params:
        folder=lambda wildcards, output: str(Path(output.cells).parent),
        list=lambda wildcards: f"{RESULTS}/jobs/{wildcards.list}.txt",
    shell:
        "(find {params.folder:q} -type f ! -name launch.json -delete && cp {params.list:q} {output.cells:q}) > {log:q} 2>&1"


# The two kinds of deployment have files of their own, so each kind is a rule.
for disaggregated in (False, True):
    kind = "disaggregated" if disaggregated else "single"
    members = one_of(name for name in STUDY.deployments if is_disaggregated(name) == disaggregated) or "none"

    rule:
        name:
            f"phase_files_{kind}"
        input:
            cells=lambda wildcards: cells_file(wildcards.deployment),
        output:
            files=[f"{DEPLOYMENT}/{name}" for name in PHASE_FILES[disaggregated]],
        log:
            f"{LOGS}/phase_files/{{deployment}}.log",
        wildcard_constraints:
            deployment=members,
        priority: NUMBERS_FIRST
        conda:
            CONDA
        params:
            folder=lambda wildcards, output: str(Path(output.files[0]).parent),
            code=code_hash(["commands.phase_files"]),
        shell:
            "python -m llmdvfs phase-files --output {params.folder:q} --cells {input.cells:q} > {log:q} 2>&1"

    rule:
        name:
            f"plot_deployment_{kind}"
        input:
            cells=lambda wildcards: cells_file(wildcards.deployment),
        output:
            png=[
                report(f"{DEPLOYMENT}/{name}.png", caption=f"../report/{name}.rst", category="Deployments")
                for name in PHASE_FIGURES[disaggregated]
            ],
            pdf=[f"{DEPLOYMENT}/{name}.pdf" for name in PHASE_FIGURES[disaggregated]],
        log:
            f"{LOGS}/plot_deployment/{{deployment}}.log",
        wildcard_constraints:
            deployment=members,
        priority: NUMBERS_FIRST
        conda:
            CONDA
        params:
            folder=lambda wildcards, output: str(Path(output.png[0]).parent),
            figures=PHASE_FIGURES[disaggregated],
            code=code_hash(["commands.figures"]),
        shell:
            "python -m llmdvfs figures deployment --output {params.folder:q} --cells {input.cells:q}"
            " --figures {params.figures:q} > {log:q} 2>&1"
