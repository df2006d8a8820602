# Turns a cell's phases into its numbers and figures, and a deployment's cells into the files that users of the original
# system know by name.
#
# INPUTS   {cell}/measured-<key>.json, which leads to {cell}/raw/, {cell}/phases.json, {cell}/timeline.csv
# OUTPUTS  {cell}/result.json               latency, throughput, energy by phase, KV transfer, validity gates
#          {cell}/timeline.png .pdf         power (or CPU), phases and requests over time
#          {cell}/latency.png .pdf          distributions of TTFT, TBT and E2E
#          {results}/deployments/{deployment}/...   see docs/metrics.md#files
# CONFIG   gates, seed

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


def cells_file(deployment):
    """Return the file that names the set of measurements which a deployment's files are made of."""
    own = [cell for cell in CELLS if cell.startswith(f"{RESULTS}/cells/{deployment}/")]
    return f"{RESULTS}/deployments/{deployment}/of-{digest_of(own)}.txt"


PHASE_FIGURES = {
    False: ["vllm_server_comparison", "batch_analysis"],
    True: ["disaggregated_performance_analysis", "batch_analysis"],
}


rule analyze:
    input:
        measured=measured_link,
        phases=f"{CELL}/phases.json",
    output:
        result=f"{CELL}/result.json",
    log:
        f"{LOGS}/analyze/{{deployment}}/{{workload}}.{{point}}.launch-{{launch}}.log",
    conda:
        CONDA
    params:
        raw=f"{CELL}/raw",
        gates=compact_json(STUDY.gates),
        seed=STUDY.seed,
        code=code_hash(["stages.analyze"]),
    shell:
        "python -m llmdvfs analyze --raw {params.raw:q} --phases {input.phases:q} --gates {params.gates:q}"
        " --seed {params.seed} --output {output.result:q} > {log:q} 2>&1"


rule plot_cell:
    input:
        measured=measured_link,
        timeline=f"{CELL}/timeline.csv",
        phases=f"{CELL}/phases.json",
        result=f"{CELL}/result.json",
    output:
        timeline=report(
            f"{CELL}/timeline.png",
            caption="../report/cell_timeline.rst",
            category="Cells",
            subcategory="{deployment}",
        ),
        timeline_pdf=f"{CELL}/timeline.pdf",
        latency=report(
            f"{CELL}/latency.png",
            caption="../report/cell_latency.rst",
            category="Cells",
            subcategory="{deployment}",
        ),
        latency_pdf=f"{CELL}/latency.pdf",
    log:
        f"{LOGS}/plot_cell/{{deployment}}/{{workload}}.{{point}}.launch-{{launch}}.log",
    conda:
        CONDA
    params:
        cell=lambda wildcards, output: str(Path(output.timeline).parent),
        code=code_hash(["stages.figures"]),
    shell:
        "python -m llmdvfs figures cell --cell {params.cell:q} > {log:q} 2>&1"


localrules:
    cells_of_deployment,


# As with the comparison: the files of a deployment are those of this set of measurements, and of no other.
rule cells_of_deployment:
    input:
        results=lambda wildcards: [f"{cell}/result.json" for cell in deployment_cells(wildcards.deployment)],
    output:
        cells=f"{DEPLOYMENT}/of-{{digest}}.txt",
    log:
        f"{LOGS}/cells_of_deployment/{{deployment}}.{{digest}}.log",
    conda:
        CONDA
    params:
        folder=lambda wildcards, output: str(Path(output.cells).parent),
    shell:
        "(find {params.folder:q} -type f ! -name launch.json -delete && date > {output.cells:q}) > {log:q} 2>&1"


# The two kinds of deployment have files of their own, so each kind is a rule.
for disaggregated in (False, True):
    kind = "disaggregated" if disaggregated else "single"
    members = one_of(name for name in STUDY.deployments if is_disaggregated(name) == disaggregated) or "none"

    rule:
        name:
            f"phase_files_{kind}"
        input:
            cells=lambda wildcards: cells_file(wildcards.deployment),
            measured=lambda wildcards: [MEASURED[cell] for cell in deployment_cells(wildcards.deployment)],
            phases=lambda wildcards: [f"{cell}/phases.json" for cell in deployment_cells(wildcards.deployment)],
            results=lambda wildcards: [f"{cell}/result.json" for cell in deployment_cells(wildcards.deployment)],
        output:
            files=[f"{DEPLOYMENT}/{name}" for name in PHASE_FILES[disaggregated]],
        log:
            f"{LOGS}/phase_files/{{deployment}}.log",
        wildcard_constraints:
            deployment=members,
        conda:
            CONDA
        params:
            folder=lambda wildcards, output: str(Path(output.files[0]).parent),
            cells=lambda wildcards, input: [str(Path(result).parent) for result in input.results],
            code=code_hash(["stages.phase_files"]),
        shell:
            "python -m llmdvfs phase-files --output {params.folder:q} {params.cells:q} > {log:q} 2>&1"

    rule:
        name:
            f"plot_deployment_{kind}"
        input:
            cells=lambda wildcards: cells_file(wildcards.deployment),
            results=lambda wildcards: [f"{cell}/result.json" for cell in deployment_cells(wildcards.deployment)],
            timelines=lambda wildcards: [f"{cell}/timeline.csv" for cell in deployment_cells(wildcards.deployment)],
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
        conda:
            CONDA
        params:
            folder=lambda wildcards, output: str(Path(output.png[0]).parent),
            cells=lambda wildcards, input: [str(Path(result).parent) for result in input.results],
            figures=PHASE_FIGURES[disaggregated],
            code=code_hash(["stages.figures"]),
        shell:
            "python -m llmdvfs figures deployment --output {params.folder:q} --cells {params.cells:q}"
            " --figures {params.figures:q} > {log:q} 2>&1"
