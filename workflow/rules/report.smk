# The short table that ends a run.
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
        summary=report(f"{COMPARISON}/summary.txt", caption="../report/summary.rst", category="Numbers"),
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
        print(f"report:  {RESULTS}/report.html (opens offline in any browser)")
        print(f"figures: {COMPARISON}/*.png, {RESULTS}/deployments/*/*.png, {RESULTS}/cells/*/*/*/*/*.png")
        print(
            f"numbers: {COMPARISON}/comparison.json, {COMPARISON}/comparison.csv (docs/metrics.md says what they are)"
        )
