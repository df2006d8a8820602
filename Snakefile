# llm-dvfs: power, energy and latency of LLM serving, phase by phase.
#
#   snakemake --cores all                             the default study, on this machine's CPU
#   snakemake --cores all -n                          what would be measured or made, and why
#   snakemake --cores 1 paper                         figures for a paper, one column wide and two
#   snakemake --cores all --configfile config/gpu.yaml --config launches=5
#
# The flow:  start_server -> benchmark -> monitor_merge -> analyze -> compare -> report
# The keys:  config/README.md       The files:  docs/metrics.md       The rooms:  docs/architecture.md


include: "workflow/rules/common.smk"
include: "workflow/rules/start_server.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/monitor_merge.smk"
include: "workflow/rules/analyze.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/answer.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/report_page.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/archive.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        # What is missing in the middle of a chain stands here by itself: Snakemake takes no notice of it as long as what
        # is made from it exists. One file of a job brings all of them.
        [wanted_of(planned) for planned in PENDING],
        rules.cells_compared.output,
        rules.summary.output,
        cell_files,
        deployment_files,
        COMPARISON_FILES,
        ANSWER_FILES,
        rules.report_page.output,
