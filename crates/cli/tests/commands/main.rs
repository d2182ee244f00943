//! Runs the real `cke` on tiny models: exit statuses, what goes where, and bad input.

mod audit;
mod bench;
mod bench_accuracy;
mod bench_compare;
mod bench_gemm;
mod bench_gemm_random;
mod cache;
mod chart;
mod chat;
mod completions;
mod doctor;
mod dtype;
mod embed;
mod eval;
mod flags;
mod generate;
mod inspect;
mod manual;
mod memory;
mod models;
mod process;
mod profile;
mod quantize;
mod support;
mod threads;
mod toy_library;
