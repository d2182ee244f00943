//! Who computes what: sequences, heads and blocks of queries spread over the threads.

use super::append::{Append, HeadRows};
use super::cache::Panels;
use super::head::{Head, Part, STATS, Stats, Work};
use super::{AttentionPlan, KvCache, KvFormat, Mask, Operands, SequenceRows};
use crate::error::{Error, expect_size};
use crate::gemm::Ctx;
use crate::scratch::{Arena, PerWorker, Zeroable};
use crate::simd::dispatch;
use crate::threads::{Parallel, run_tasks};
use crate::view::MatRef;

/// Tasks per thread that keep all threads busy although sequences differ in length.
const TASKS_PER_THREAD: usize = 3;

/// One sequence of a call.
#[derive(Clone, Copy, Debug)]
struct Job {
    /// Its rows among those of the call.
    first_row: usize,
    rows: usize,
    /// Positions in the cache before them.
    before: usize,
    /// Positions that there is room for.
    room: usize,
    /// The cache, borrowed exclusively for the time of the call; null where there is none.
    cache: *mut KvCache,
}

// SAFETY: stands for an exclusive borrow, of whose panels each task writes its own part.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}
// SAFETY: words alone: numbers and a pointer that may be null, and, as is checked here, nothing between them.
unsafe impl Zeroable for Job {}
const _: () = assert!(size_of::<Job>() == 5 * size_of::<usize>());

impl Job {
    fn new(first_row: usize, sequence: SequenceRows<'_>, format: KvFormat) -> Result<Job, Error> {
        let SequenceRows { rows, cache } = sequence;
        let Some(cache) = cache else {
            return Ok(Job { first_row, rows, before: 0, room: rows, cache: std::ptr::null_mut() });
        };
        if cache.format() != format {
            return Err(Error::CacheForAnotherPlan { wanted: format, found: cache.format() });
        }
        let (before, room) = (cache.len(), cache.capacity());
        if rows > room - before {
            return Err(Error::Size { what: "free positions in the cache", wanted: rows, found: room - before });
        }
        Ok(Job { first_row, rows, before, room, cache: std::ptr::from_mut(cache) })
    }

    /// Positions after the call.
    fn len(&self) -> usize {
        self.before + self.rows
    }
}

/// What the tasks of one call share.
struct Call<'a> {
    plan: &'a AttentionPlan,
    jobs: &'a [Job],
    mask: Mask,
    queries: MatRef<'a, f32>,
    keys: MatRef<'a, f32>,
    values: MatRef<'a, f32>,
    /// (rows, heads · head_dim), borrowed exclusively for the time of the call.
    out: *mut f32,
    out_stride: usize,
    /// Of the job with the most rows, and with room for the most positions.
    most_rows: usize,
    most_room: usize,
    /// Whether a job has no cache.
    has_whole: bool,
}

// SAFETY: `out` stands for an exclusive borrow of f32 whose parts are written by one task each; all else is Sync.
unsafe impl Sync for Call<'_> {}

impl AttentionPlan {
    /// out = softmax(scale · Q·Kᵀ)·V for each new position of each sequence, over its cache and the new keys and values, which are
    /// appended to the cache.
    ///
    /// A row's result has the same bits whatever the other rows, the other sequences and the number of threads are, as long as no key
    /// or value that it must not see is infinite or NaN.
    ///
    /// # Errors
    /// Fails if sizes do not match, a cache was made for a plan of another format or has no room, `sequences` yields another number of items
    /// than its length, or an allocation fails; no cache has changed then.
    pub fn run<'t>(
        &self,
        mut sequences: impl ExactSizeIterator<Item = SequenceRows<'t>>,
        mask: Mask,
        mut operands: Operands<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), Error> {
        self.check(&operands)?;
        let (list, memory) = ctx.scratch.list_and_rest();
        let jobs = list.take::<Job>(sequences.len())?;
        let (mut rows, mut count) = (0usize, 0);
        // The length is the iterator's word; what lies in the list beyond the sequences that came is of an earlier call.
        for (job, sequence) in jobs.iter_mut().zip(&mut sequences) {
            *job = Job::new(rows, sequence, self.format)?;
            rows = rows.saturating_add(job.rows);
            count += 1;
        }
        expect_size(
            "sequences, as many as their iterator's length",
            jobs.len(),
            count + usize::from(sequences.next().is_some()),
        )?;
        expect_size("rows of all sequences", operands.queries.rows(), rows)?;
        let call = Call {
            plan: self,
            jobs,
            mask,
            queries: operands.queries,
            keys: operands.keys,
            values: operands.values,
            out: operands.out.as_mut_ptr(),
            out_stride: operands.out.row_stride(),
            most_rows: jobs.iter().map(|job| job.rows).max().unwrap_or(0),
            most_room: jobs.iter().map(|job| job.room).max().unwrap_or(0),
            has_whole: jobs.iter().any(|job| job.cache.is_null()),
        };
        if call.most_rows > 0 {
            call.run(memory, ctx.pool)?;
        }
        for job in jobs.iter().filter(|job| !job.cache.is_null()) {
            // SAFETY: a borrow of the cache, for the time of the call; its tasks are done.
            unsafe { (*job.cache).len = job.len() };
        }
        Ok(())
    }

    /// Bytes of working memory that `threads` threads take for `rows` new positions of a sequence of up to `positions`, with a cache or
    /// without.
    pub fn scratch_bytes(&self, threads: usize, rows: usize, positions: usize, has_cache: bool) -> usize {
        let elements = self.work_len(rows, positions, !has_cache);
        threads.saturating_mul(elements).saturating_mul(size_of::<f32>())
    }

    /// Elements of the working memory of one task.
    fn work_len(&self, rows: usize, positions: usize, has_whole: bool) -> usize {
        let block = self.block().min(rows);
        let (keys, values) = (self.format.keys_len(positions), self.format.values_len(positions));
        let panels = if has_whole { keys.saturating_add(values) } else { 0 };
        block.saturating_mul(self.row_room(positions) + self.format.head_dim + 2 * STATS).saturating_add(panels)
    }

    /// Elements of a row of scores over up to `positions` keys: whole vectors.
    fn row_room(&self, positions: usize) -> usize {
        let lanes = self.kernel.record().lanes();
        self.kv_block().min(positions.checked_next_multiple_of(lanes).unwrap_or(usize::MAX))
    }
}

impl Call<'_> {
    fn run(&self, memory: &mut Arena, pool: &dyn Parallel) -> Result<(), Error> {
        let (plan, threads, block) = (self.plan, pool.threads(), self.plan.block());
        let groups = self.jobs.len() * plan.format.key_heads;
        let most_keys = self.jobs.iter().map(Job::len).max().unwrap_or(0);
        let kv_blocks = most_keys.div_ceil(plan.kv_block());
        if groups < threads && self.most_rows <= block && kv_blocks > 1 && !self.has_whole {
            return self.run_split_kv(kv_blocks, memory, pool);
        }
        // A head is one task, which packs its keys and values and uses them while they are hot; or several where heads are few.
        let tasks = if threads == 1 { 1 } else { threads.saturating_mul(TASKS_PER_THREAD) };
        let rows_per_task = self.most_rows.div_ceil(tasks.div_ceil(groups)).next_multiple_of(block);
        let parts = self.most_rows.div_ceil(rows_per_task);
        if parts > 1 {
            self.append(pool);
        }
        let memory = memory.take_per_worker(threads, plan.work_len(self.most_rows, self.most_room, self.has_whole))?;
        run_tasks(pool, groups * parts, &|index, worker| {
            let (job, kv_head, part) =
                (index / parts / plan.format.key_heads, index / parts % plan.format.key_heads, index % parts);
            let job = &self.jobs[job];
            let rows = part * rows_per_task..job.rows.min((part + 1) * rows_per_task);
            if rows.is_empty() {
                return;
            }
            // SAFETY: a worker runs one task at a time.
            let (mut work, own_panels) = self.work(unsafe { memory.get(worker) });
            let is_whole = job.cache.is_null();
            let panels = if is_whole { own_panels } else { self.cached_panels(job, kv_head) };
            // SAFETY: jobs, heads and parts differ from task to task, and with them what is written: these rows and columns of `out`,
            // and this head's panels unless they were appended before.
            unsafe {
                if is_whole || parts == 1 {
                    self.pack(job, kv_head, panels);
                }
                for head in self.heads_of(kv_head) {
                    let head = self.head(job, head, panels);
                    for start in rows.clone().step_by(block) {
                        head.run(start..rows.end.min(start + block), &mut work);
                    }
                }
            }
        });
        Ok(())
    }

    /// For few queries and heads, and many keys and threads: a task for each KV block, then one for each head that joins its
    /// KV blocks in their order.
    fn run_split_kv(&self, kv_blocks: usize, memory: &mut Arena, pool: &dyn Parallel) -> Result<(), Error> {
        let AttentionPlan { heads, format: KvFormat { key_heads, head_dim, .. }, .. } = *self.plan;
        let (threads, rows, kv_block) = (pool.threads(), self.most_rows, self.plan.kv_block());
        self.append(pool);
        let (scores_len, part_len) = (rows * kv_block, rows * (head_dim + STATS));
        let parts = self.jobs.len().saturating_mul(heads).saturating_mul(kv_blocks);
        let scores_total = threads.saturating_mul(PerWorker::<f32>::padded(scores_len));
        let parts_total = parts.saturating_mul(PerWorker::<f32>::padded(part_len));
        let memory = memory.take::<f32>(scores_total.saturating_add(parts_total))?;
        let (scores, parts_memory) = memory.split_at_mut(scores_total);
        let scores = PerWorker::new(scores, scores_len);
        let parts_memory = PerWorker::new(parts_memory, part_len);
        let group = heads / key_heads;
        run_tasks(pool, parts, &|index, worker| {
            let (job, head) = (&self.jobs[index / kv_blocks / heads], index / kv_blocks % heads);
            let first = index % kv_blocks * kv_block;
            let keys = first..job.len().min(first + kv_block);
            if job.rows == 0 || keys.is_empty() {
                return;
            }
            let head = self.head(job, head, self.cached_panels(job, head / group));
            // SAFETY: a worker runs one task at a time, and each task has a part of its own.
            unsafe {
                let Part { out, mut stats } = self.part(parts_memory.get(index));
                head.kv_block(0..job.rows, keys, scores.get(worker), &mut stats, out.as_mut_ptr(), head_dim);
            }
        });
        run_tasks(pool, self.jobs.len() * heads, &|index, _worker| {
            let (job, head) = (&self.jobs[index / heads], index % heads);
            if job.rows == 0 {
                return;
            }
            let of_head = index * kv_blocks..index * kv_blocks + job.len().div_ceil(kv_block);
            let head = self.head(job, head, self.cached_panels(job, head / group));
            // SAFETY: heads and jobs differ from task to task, and with them the parts and what is written of `out`.
            unsafe {
                head.join_all(job.rows, of_head.map(|index| self.part(parts_memory.get(index))));
            }
        });
        Ok(())
    }

    /// Appends all new keys and values to the caches.
    fn append(&self, pool: &dyn Parallel) {
        let key_heads = self.plan.format.key_heads;
        run_tasks(pool, self.jobs.len() * key_heads, &|index, _worker| {
            let (job, kv_head) = (&self.jobs[index / key_heads], index % key_heads);
            if !job.cache.is_null() {
                // SAFETY: jobs and heads differ from task to task, and with them the panels.
                unsafe { self.pack(job, kv_head, self.cached_panels(job, kv_head)) };
            }
        });
    }

    /// Packs one head's new keys and values of one job.
    ///
    /// # Safety
    /// The panels are those of this job and head, or have room for them, and nobody else uses them meanwhile.
    unsafe fn pack(&self, job: &Job, kv_head: usize, panels: Panels) {
        let column = kv_head * self.plan.format.head_dim;
        let rows = |x: &MatRef<'_, f32>| HeadRows {
            data: x.as_ptr().wrapping_add(job.first_row * x.row_stride() + column),
            stride: x.row_stride(),
        };
        let (format, keys, values) = (self.plan.format, rows(&self.keys), rows(&self.values));
        // SAFETY: the job's rows exist, as was checked; the panels are promised by the caller.
        let append = unsafe { Append::new(format, panels, job.before, job.rows, keys, values) };
        dispatch(&self.plan.cpu, append);
    }

    /// The panels of a job that has a cache.
    fn cached_panels(&self, job: &Job, kv_head: usize) -> Panels {
        // SAFETY: a borrow of the cache for the time of the call, of which nothing but the panels is written meanwhile; its format is
        // the plan's, as was checked.
        unsafe { (*job.cache).panels(kv_head) }
    }

    /// The query heads that share a key head.
    fn heads_of(&self, kv_head: usize) -> std::ops::Range<usize> {
        let group = self.plan.heads / self.plan.format.key_heads;
        kv_head * group..(kv_head + 1) * group
    }

    fn head(&self, job: &Job, head: usize, panels: Panels) -> Head<'_> {
        let column = head * self.plan.format.head_dim;
        let is_causal = self.mask == Mask::Causal;
        Head {
            plan: self.plan,
            panels,
            queries: self.queries.as_ptr().wrapping_add(job.first_row * self.queries.row_stride() + column),
            query_stride: self.queries.row_stride(),
            out: self.out.wrapping_add(job.first_row * self.out_stride + column),
            out_stride: self.out_stride,
            first_seen: if is_causal { job.before + 1 } else { job.len() },
            step: usize::from(is_causal),
        }
    }

    /// The memory of a task, as [`AttentionPlan::work_len`] counts it; and panels in it for a job without a cache.
    fn work<'m>(&self, memory: &'m mut [f32]) -> (Work<'m>, Panels) {
        let (rows, room) = (self.plan.block().min(self.most_rows), self.most_room);
        let mut rest = memory;
        let mut take = |len: usize| {
            let (part, later) = std::mem::take(&mut rest).split_at_mut(len);
            rest = later;
            part
        };
        let work = Work {
            scores: take(rows * self.plan.row_room(room)),
            joined: Stats::new(take(STATS * rows)),
            own: Part { out: take(rows * self.plan.format.head_dim), stats: Stats::new(take(STATS * rows)) },
        };
        let keys = rest.as_mut_ptr();
        (work, Panels { keys, values: keys.wrapping_add(self.plan.format.keys_len(room)), capacity: room })
    }

    /// The memory of one part of [`Call::run_split_kv`].
    fn part<'m>(&self, memory: &'m mut [f32]) -> Part<'m> {
        let (out, stats) = memory.split_at_mut(self.most_rows * self.plan.format.head_dim);
        Part { out, stats: Stats::new(stats) }
    }
}
