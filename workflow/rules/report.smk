# The short table that ends a run. The whole report is made by `snakemake --report results/report.html`, offline.
#
# INPUTS   {results}/comparison/comparison.json
# OUTPUTS  {results}/comparison/summary.txt
# CONFIG   none


report: "../report/workflow.rst"


localrules:
    summary,


rule summary:
    input:
        comparison=f"{COMPARISON}/comparison.json",
    output:
        summary=f"{COMPARISON}/summary.txt",
    log:
        f"{LOGS}/summary.log",
    conda:
        CONDA
    params:
        code=code_hash(["stages.summary"]),
    shell:
        "python -m llmdvfs summary --comparison {input.comparison:q} --output {output.summary:q} > {log:q} 2>&1"


onsuccess:
    summary = Path(rules.summary.output.summary)
    if summary.exists():
        print(summary.read_text(encoding="utf-8"))
        print(f"figures: {COMPARISON}/*.png, {RESULTS}/deployments/*/*.png, {RESULTS}/cells/*/*/*/*/*.png")
        print(
            f"numbers: {COMPARISON}/comparison.json, {COMPARISON}/comparison.csv (docs/metrics.md says what they are)"
        )
