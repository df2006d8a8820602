# Compares the cells of all deployments, like with like, over launches.
#
# INPUTS   {cell}/result.json and {cell}/raw/run.json of every cell
# OUTPUTS  {results}/comparison/comparison.json   arms, paired log-ratios with intervals, refused pairs and why
#          {results}/comparison/comparison.csv    one row per arm, metric and launch
#          {results}/comparison/frequency_analysis_summary.csv
#          {results}/comparison/*.png .pdf        the figures of COMPARISON_FIGURE_NAMES
# CONFIG   architectures, models, workloads, operating_points, launches

COMPARISON_FIGURE_NAMES = ["performance_comparison", "ratios", "ttft_parts", "cross_frequency_comparison"]


localrules:
    compare,


rule compare:
    input:
        results=[f"{cell}/result.json" for cell in CELLS],
        raw=[f"{cell}/raw" for cell in CELLS],
    output:
        comparison=f"{COMPARISON}/comparison.json",
        table=f"{COMPARISON}/comparison.csv",
        frequencies=f"{COMPARISON}/frequency_analysis_summary.csv",
    params:
        cells=f"{RESULTS}/cells",
        code=code_hash(["stages.compare"]),
    log:
        f"{LOGS}/compare.log",
    conda:
        CONDA
    shell:
        "python -m llmdvfs compare --results {input.results:q} --output {output.comparison:q} --csv {output.table:q}"
        " --frequencies {output.frequencies:q} > {log:q} 2>&1"


rule plot_comparison:
    input:
        comparison=f"{COMPARISON}/comparison.json",
    output:
        report(
            f"{COMPARISON}/{{figure}}.png",
            caption="../report/comparison.rst",
            category="Comparison",
        ),
        f"{COMPARISON}/{{figure}}.pdf",
    wildcard_constraints:
        figure=one_of(COMPARISON_FIGURE_NAMES),
    params:
        code=code_hash(["stages.figures"]),
    log:
        f"{LOGS}/plot_comparison/{{figure}}.log",
    conda:
        CONDA
    shell:
        "python -m llmdvfs figures comparison --comparison {input.comparison:q} --figure {wildcards.figure:q}"
        " --output {output[0]:q} > {log:q} 2>&1"


COMPARISON_FIGURES = [f"{COMPARISON}/{name}.png" for name in COMPARISON_FIGURE_NAMES]
