# The short table that ends a run.
#
# INPUTS   {results}/comparison/comparison.json
# OUTPUTS  {results}/comparison/summary.txt   the verdict and its tables, within 100 columns
#          {results}/comparison/summary.md    the same with a table for every metric
#          {results}/comparison/summary.csv   the same as tidy rows: one a value
# CONFIG   none


report: "../report/workflow.rst"


localrules:
    summary,


rule summary:
    input:
        comparison=f"{COMPARISON}/comparison.json",
        made=of_this_set("compare"),
    output:
        summary=report(f"{COMPARISON}/summary.txt", caption="../report/summary.rst", category="Numbers"),
        markdown=f"{COMPARISON}/summary.md",
        table=f"{COMPARISON}/summary.csv",
        made=touch(of_this_set("summary")),
    log:
        f"{LOGS}/summary.log",
    priority: NUMBERS_FIRST
    conda:
        CONDA
    params:
        code=code_hash(["commands.summary"]),
    shell:
        "python -m llmdvfs summary --comparison {input.comparison:q} --output {output.summary:q} --markdown {output.markdown:q}"
        " --csv {output.table:q} > {log:q} 2>&1"


onsuccess:
    summary = Path(rules.summary.output.summary)
    if summary.exists():
        said = summary.read_text(encoding="utf-8")
        print(said)
        print(f"report:  {RESULTS}/report.html (opens offline in any browser)")
        drawn = "" if STUDY.drawn_cells == "none" else f", {RESULTS}/cells/*/*/*/*/*.png"
        print(f"figures: {COMPARISON}/*.png, {RESULTS}/deployments/*/*.png{drawn}")
        if ANSWER_FILES:
            print(f"answers: {RESULTS}/answers/answers.txt; as sentences: python -m llmdvfs explain {RESULTS}")
        print(
            f"numbers: {COMPARISON}/comparison.json, {COMPARISON}/comparison.csv (docs/metrics.md says what they are)"
        )
        if sys.stdout.isatty():  # where the last lines are the ones that are seen
            print(f"\n{said.split(chr(10) * 2)[0]}")
