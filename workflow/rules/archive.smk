# Puts measurements away on object storage, one tar a launch: `snakemake archived --config archive=s3://bucket/study`.
# Snakemake's storage plugin of the address takes them there (snakemake-storage-plugin-s3 for s3://). Raw folders are in
# the tar as they are: unpacked, it is what `merge-results` takes over, once their checksums are found to be right.
#
# INPUTS   {cell}/measured-<key>.json, which leads to {cell}/raw/, of each cell of a launch
# OUTPUTS  {archive}/{deployment}.launch-<n>.<digest of the keys>.tar
#          {results}/jobs/{deployment}.launch-<n>.<digest of the keys>.tar.txt   what is in it; written when a run starts
# CONFIG   archive

STORED = [storage(f"{CONFIG['archive'].rstrip('/')}/{name}") for name in archives()]

for (name, cells), stored in zip(archives().items(), STORED):
    rule_name = f"archive_{RULE_NAMES[cells[0].id.deployment]}_launch_{cells[0].id.launch}"

    # On the machine where Snakemake runs: it has the keys of the storage.
    localrules:
        rule_name,

    rule:
        name:
            rule_name
        input:
            measured=[str(cell.link) for cell in cells],
        output:
            tar=stored,
        log:
            f"{LOGS}/archive/{name}.log",
        conda:
            CONDA
        threads: workflow.cores if PREPARING else 1  # not beside a launch
        params:
            results=RESULTS,
            names=f"{RESULTS}/jobs/{name}.txt",
        # links are followed: what is in the tar stands by itself
        shell:
            "tar --create --dereference --file {output.tar:q} --directory {params.results:q} --files-from {params.names:q}"
            " > {log:q} 2>&1"


localrules:
    archived,


rule archived:
    input:
        to_archive,
