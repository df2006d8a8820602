# One page that opens offline: verdict, tables, curves, gates, machine and commands. Snakemake's own report, which says
# how each file came about, is another: `snakemake --report results/provenance.html`.
#
# INPUTS   {results}/comparison/comparison.json, cells-<digest>.txt, which lists the cells; {results}/answers/answers.json
#          result.json, timeline.csv and raw/run.json of each cell
# OUTPUTS  {results}/report.html
# CONFIG   none


localrules:
    report_page,


rule report_page:
    input:
        cells=rules.cells_compared.output.cells,
        comparison=rules.compare.output.comparison,
        answers=rules.answer.output.answers if ANSWER_FILES else [],
        made=[of_this_set("compare"), of_this_set("answer")] if ANSWER_FILES else of_this_set("compare"),
    output:
        page=f"{RESULTS}/report.html",
        made=touch(of_this_set("report")),
    log:
        f"{LOGS}/report_page.log",
    priority: NUMBERS_FIRST
    conda:
        CONDA
    params:
        answers=lambda wildcards, input: ["--answers", input.answers] if input.answers else [],
        code=code_hash(["commands.report"]),
    shell:
        "python -m llmdvfs report --cells {input.cells:q} --comparison {input.comparison:q} {params.answers:q}"
        " --output {output.page:q} > {log:q} 2>&1"
