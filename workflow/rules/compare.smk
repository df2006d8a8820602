# Compares the cells of all deployments, like with like, over launches.
#
# INPUTS   {cell}/result.json and {cell}/raw/run.json of every cell, {cell}/raw/failed.json of those without a result
# OUTPUTS  {results}/comparison/comparison.json   deployments, paired log-ratios with intervals, refused pairs and why
#          {results}/comparison/comparison.csv     one row a cell
#          {results}/comparison/frequency_analysis_summary.csv
#          {results}/comparison/*.png .pdf        the figures of COMPARISON_FIGURE_NAMES
# CONFIG   architectures, baseline, margin_fraction, models, workloads, operating_points, launches, tolerate_failed_cells

COMPARISON_FIGURE_NAMES = [
    "performance_comparison",
    "ratios",
    "ttft_parts",
    "cross_frequency_comparison",
]


localrules:
    compare,
    cells_compared,


# The name of this file is that of the set of measurements. A comparison of another set is removed where it is made: a
# study with fewer launches never shows the figures of the one with more.
rule cells_compared:
    input:
        deployments=lambda wildcards: [cells_file(name) for name in measured_deployments()],
    output:
        cells=f"{COMPARISON}/{Path(list_of(CELLS)).name}",
    log:
        f"{LOGS}/cells_compared.log",
    priority: NUMBERS_FIRST
    conda:
        CONDA
    params:
        folder=lambda wildcards, output: str(Path(output.cells).parent),
        answers=ANSWERS,
        list=list_of(CELLS),
    shell:
        "(rm -rf {params.folder:q} {params.answers:q} && mkdir {params.folder:q} && cp {params.list:q} {output.cells:q}) > {log:q} 2>&1"


rule compare:
    input:
        cells=rules.cells_compared.output.cells,
    output:
        comparison=f"{COMPARISON}/comparison.json",
        table=report(f"{COMPARISON}/comparison.csv", caption="../report/comparison.rst", category="Numbers"),
        frequencies=report(
            f"{COMPARISON}/frequency_analysis_summary.csv",
            caption="../report/frequency_analysis_summary.rst",
            category="Numbers",
        ),
        made=touch(of_this_set("compare")),
    log:
        f"{LOGS}/compare.log",
    priority: NUMBERS_FIRST
    conda:
        CONDA
    params:
        baseline=["--baseline", STUDY.baseline] if STUDY.baseline else [],
        margin=STUDY.margin_fraction,
        code=code_hash(["commands.compare"]),
    shell:
        "python -m llmdvfs compare --cells {input.cells:q} {params.baseline:q} --margin {params.margin} --output {output.comparison:q} --csv {output.table:q}"
        " --frequencies {output.frequencies:q} > {log:q} 2>&1"


rule plot_comparison:
    input:
        comparison=f"{COMPARISON}/comparison.json",
        made=of_this_set("compare"),
    output:
        png=[
            report(f"{COMPARISON}/{name}.png", caption=f"../report/{name}.rst", category="Comparison")
            for name in COMPARISON_FIGURE_NAMES
        ],
        pdf=[f"{COMPARISON}/{name}.pdf" for name in COMPARISON_FIGURE_NAMES],
        made=touch(of_this_set("figures")),
    log:
        f"{LOGS}/plot_comparison.log",
    priority: NUMBERS_FIRST
    conda:
        CONDA
    params:
        folder=lambda wildcards, output: str(Path(output.png[0]).parent),
        code=code_hash(["commands.figures"]),
    shell:
        "python -m llmdvfs figures comparison --comparison {input.comparison:q} --output {params.folder:q} > {log:q} 2>&1"


COMPARISON_FILES = [*rules.compare.output, *rules.plot_comparison.output.png]
