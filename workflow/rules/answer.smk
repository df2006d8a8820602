# Says which clocks: every operating point against stock, for each deployment at each load.
#
# INPUTS   {results}/comparison/cells-<digest>.txt, which lists the cells; result.json and raw/run.json of each
# OUTPUTS  {results}/answers/answers.json              ratios to stock with intervals, choices, flags
#          {results}/answers/answers.csv               one row a point
#          {results}/answers/recommended_clocks.json   what to set, with the commands that apply, check and undo it
#          {results}/answers/lookup.csv                deployment x phase x batch size -> clocks, for schedulers
#          {results}/answers/answers.txt               the same as a table
#          {results}/answers/*.png .pdf                the figures of ANSWER_FIGURE_NAMES
# CONFIG   operating_points, search, workloads (slo, isolates), launches, tolerate_failed_cells

ANSWER_FIGURE_NAMES = [
    "energy_time",
    "over_clock",
    "clock_map",
    "batch_clock",
    "saving_over_load",
]


localrules:
    answer,


rule answer:
    input:
        cells=rules.cells_compared.output.cells,
    output:
        answers=f"{ANSWERS}/answers.json",
        table=f"{ANSWERS}/answers.csv",
        recommended=f"{ANSWERS}/recommended_clocks.json",
        lookup=f"{ANSWERS}/lookup.csv",
        text=f"{ANSWERS}/answers.txt",
        figures=[
            report(f"{ANSWERS}/{name}.png", caption=f"../report/{name}.rst", category="Which clocks")
            for name in ANSWER_FIGURE_NAMES
        ],
        pdf=[f"{ANSWERS}/{name}.pdf" for name in ANSWER_FIGURE_NAMES],
        made=touch(of_this_set("answer")),
    log:
        f"{LOGS}/answer.log",
    conda:
        CONDA
    params:
        folder=lambda wildcards, output: str(Path(output.answers).parent),
        code=code_hash(["commands.answer"]),
        # by its content: what a search chose before the launches that confirm it
        decided=digest_of(decided_file(STUDY.results)) if STUDY.search else "",
        search=["--search", str(decided_file(STUDY.results))] if STUDY.search else [],
    shell:
        "python -m llmdvfs answer {params.search:q} --cells {input.cells:q} --output {output.answers:q} --csv {output.table:q}"
        " --recommended {output.recommended:q} --lookup {output.lookup:q} --table {output.text:q} --figures {params.folder:q} > {log:q} 2>&1"


# A study of stock alone asks nothing about clocks.
ANSWER_FILES = list(rules.answer.output) if len(STUDY.points) > 1 else []
