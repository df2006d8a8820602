# Figures for a paper: `snakemake paper`. PDFs with their fonts in them, one column wide and two; equal data, equal bytes.
#
# INPUTS   {results}/comparison/comparison.json
# OUTPUTS  {results}/paper/<quantity>-3.5in.pdf, <figure>-7.2in.pdf
# CONFIG   none


localrules:
    paper,


rule paper:
    input:
        comparison=rules.compare.output.comparison,
        made=of_this_set("compare"),
    output:
        folder=directory(f"{RESULTS}/paper"),
        made=touch(of_this_set("paper")),
    log:
        f"{LOGS}/paper.log",
    conda:
        CONDA
    params:
        code=code_hash(["commands.figures"]),
    shell:
        "python -m llmdvfs figures paper --comparison {input.comparison:q} --output {output.folder:q} > {log:q} 2>&1"
