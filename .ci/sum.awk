# Sums up the test runs in a log of .ci/run, whose exit status is `status`: prints N passed, M failed, K skipped.

# cargo test: "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s"
/^test result: / { passed += $4; failed += $6; skipped += $8; next }

# pytest: "120 passed, 3 skipped, 900 deselected, 1 xfailed in 4.56s", maybe between equals signs. A test that fails as it is expected
# to, and one that is not, count as skipped and passed.
/[0-9] (passed|failed|errors?|skipped|xfailed|xpassed)(, | in )/ && / in [0-9.]+s( \([0-9:]+\))?( =+)?$/ {
    for (i = 2; i <= NF; i++) {
        word = $i
        sub(/,$/, "", word)
        if (word ~ /^x?passed$/) passed += $(i - 1)
        if (word ~ /^(failed|errors?)$/) failed += $(i - 1)
        if (word ~ /^(skipped|xfailed)$/) skipped += $(i - 1)
    }
    next
}

# The classic testers of the BLAS, one line for each run: "xblat3s   avx2    sgemm  passed in  12345 calls"
/^x[a-z0-9]+ .* passed in +[0-9]+ calls$/ { passed++ }

# C programs, and what a script leaves out.
/^passed: / { passed++ }
/^skipped: / { skipped++ }

END {
    # A step that failed in another way than by a test.
    if (status != 0 && failed == 0) failed = 1
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
}
