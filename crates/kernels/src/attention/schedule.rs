//! Work partitioning: sequences, heads and query blocks across threads.

use super::append::{Append, HeadRows};
use super::cache::{HeadPanels, Panels};
use super::head::{KeyHead, Work};
use super::mask::{Mask, Visible};
use super::parts::Part;
use super::queries::Queries;
use super::rounded;
use super::{AttentionPlan, KvCache, KvFormat, Operands, SequenceRows};
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
    /// The cache, borrowed exclusively during the call; null if there is none.
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
    /// Takes the memory that the new positions need.
    fn new(first_row: usize, sequence: SequenceRows<'_>, format: KvFormat) -> Result<Job, Error> {
        let SequenceRows { rows, cache } = sequence;
        let Some(cache) = cache else {
            return Ok(Job { first_row, rows, before: 0, room: rows, cache: std::ptr::null_mut() });
        };
        if cache.format() != format {
            return Err(Error::CacheForAnotherPlan { wanted: format, found: cache.format() });
        }
        cache.reserve(rows)?;
        let (before, room) = (cache.len(), cache.capacity());
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
    /// Fails if sizes do not match, a window has no position, a cache was made for a plan of another format or has no room, `sequences` yields another number of items
    /// than its length, or an allocation fails; no cache has changed then.
    pub fn run<'t>(
        &self,
        mut sequences: impl ExactSizeIterator<Item = SequenceRows<'t>>,
        mask: Mask,
        mut operands: Operands<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), Error> {
        self.check(&operands)?;
        mask.check()?;
        let (list, memory) = ctx.scratch.two_parts();
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
    /// without; what KV blocks give that are tasks of their own comes on top.
    pub fn scratch_bytes(&self, threads: usize, rows: usize, positions: usize, has_cache: bool) -> usize {
        let elements = self.work_len(rows, positions, !has_cache);
        threads.saturating_mul(elements).saturating_mul(size_of::<f32>())
    }

    /// Elements of the working memory of one task.
    fn work_len(&self, rows: usize, positions: usize, has_whole: bool) -> usize {
        let panels = if has_whole { self.format.head_bytes(positions).div_ceil(size_of::<f32>()) } else { 0 };
        let dim = self.format.head_dim;
        let query = self.copied(dim).saturating_add(self.row_room(positions)).saturating_add(2 * Part::len(dim));
        self.queries_at_once(rows).saturating_mul(query).saturating_add(panels).saturating_add(self.widened_len())
    }

    /// Queries that a task computes at a time for sequences of up to `rows` new positions.
    fn queries_at_once(&self, rows: usize) -> usize {
        self.block().min(rows.saturating_mul(self.group))
    }

    /// Elements of the copy of a query: none where queries that share a key head lie in rows of their own and are read as they are.
    fn copied(&self, head_dim: usize) -> usize {
        match (self.rounds_rows(), self.group) {
            (true, _) => rounded::row_len(head_dim),
            (false, 1) => 0,
            (false, _) => head_dim,
        }
    }

    /// Elements of a row of scores over up to `positions` keys: whole vectors.
    fn row_room(&self, positions: usize) -> usize {
        let lanes = self.kernel.lanes();
        self.kv_block.min(positions.checked_next_multiple_of(lanes).unwrap_or(usize::MAX))
    }
}

impl Call<'_> {
    fn run(&self, memory: &mut Arena, pool: &dyn Parallel) -> Result<(), Error> {
        let (plan, threads) = (self.plan, pool.threads());
        let groups = self.jobs.len() * plan.format.key_heads;
        let most_queries = self.most_rows * plan.group;
        let blocks = most_queries.div_ceil(plan.block());
        if !self.has_whole && !is_even(groups * blocks, threads) {
            let split = SplitKv { blocks, kv_blocks: self.most_kv_blocks(blocks) };
            if split.kv_blocks > 1 {
                return self.run_split_kv(split, memory, pool);
            }
        }
        // A key head is one task, which packs its keys and values and uses them while they are hot; or several where heads are few.
        let tasks = if threads == 1 { 1 } else { threads.saturating_mul(TASKS_PER_THREAD) };
        let parts = tasks.div_ceil(groups).min(blocks);
        let queries_per_task = most_queries.div_ceil(parts);
        if parts > 1 {
            self.append(pool);
        }
        let memory = memory.take_per_worker(threads, plan.work_len(self.most_rows, self.most_room, self.has_whole))?;
        run_tasks(pool, groups * parts, &|index, worker| {
            let (group, part) = (index / parts, index % parts);
            let (job, kv_head) = (&self.jobs[group / plan.format.key_heads], group % plan.format.key_heads);
            let queries = part * queries_per_task..self.queries(job).min((part + 1) * queries_per_task);
            if queries.is_empty() {
                return;
            }
            // SAFETY: a worker runs one task at a time.
            let (mut work, own_panels) = self.work(unsafe { memory.get(worker) });
            let is_whole = job.cache.is_null();
            let panels = if is_whole { HeadPanels::Whole(own_panels) } else { self.cached_panels(job, kv_head) };
            // SAFETY: jobs, heads and parts differ from task to task, and with them what is written: the results of these queries, and this
            // head's panels unless they were appended before.
            unsafe {
                if is_whole || parts == 1 {
                    self.pack(job, kv_head, panels);
                }
                let head = self.key_head(job, kv_head, panels);
                for start in queries.clone().step_by(plan.block()) {
                    if let Some(queries) = Queries::new(start..queries.end.min(start + plan.block()), plan.group) {
                        head.run(&queries, &mut work);
                    }
                }
            }
        });
        Ok(())
    }

    /// For few queries and heads, and many keys and threads: a task for each KV block of each block of queries, then one for each block
    /// of queries that joins its KV blocks in their order.
    fn run_split_kv(&self, split: SplitKv, memory: &mut Arena, pool: &dyn Parallel) -> Result<(), Error> {
        let SplitKv { blocks, kv_blocks } = split;
        let (plan, threads, dim) = (self.plan, pool.threads(), self.plan.format.head_dim);
        self.append(pool);
        let queries_at_once = plan.queries_at_once(self.most_rows);
        let (copy_len, part_len) = (queries_at_once * plan.copied(dim), queries_at_once * Part::len(dim));
        let (widened_len, scores_len) = (plan.widened_len(), queries_at_once * plan.row_room(self.most_room));
        let work_len = widened_len + copy_len + scores_len;
        let (heads, key_heads) = (self.jobs.len().saturating_mul(plan.format.key_heads), plan.format.key_heads);
        let parts = heads.saturating_mul(blocks).saturating_mul(kv_blocks);
        let work_total = threads.saturating_mul(PerWorker::<f32>::padded(work_len));
        let parts_total = parts.saturating_mul(PerWorker::<f32>::padded(part_len));
        let memory = memory.take::<f32>(work_total.saturating_add(parts_total))?;
        let (work, parts_memory) = memory.split_at_mut(work_total);
        let work = PerWorker::new(work, work_len);
        let parts_memory = PerWorker::new(parts_memory, part_len);
        // The head and the queries of a block, if there are any.
        let block = |index: usize| {
            let (head, block) = (index / blocks, index % blocks);
            let (job, head) = (&self.jobs[head / key_heads], head % key_heads);
            let queries = self.block_of_queries(job, block)?;
            Some((self.key_head(job, head, self.cached_panels(job, head)), queries))
        };
        run_tasks(pool, parts, &|index, worker| {
            let Some((head, queries)) = block(index / kv_blocks) else { return };
            let Some(kv_block) = head.kv_blocks(&queries).nth(index % kv_blocks) else { return };
            // SAFETY: a worker runs one task at a time, and each task has a part of its own.
            unsafe {
                let (widened, rest) = work.get(worker).split_at_mut(widened_len);
                let (copy, scores) = rest.split_at_mut(copy_len);
                let mut part = Part::new(parts_memory.get(index), dim);
                head.kv_block(&queries, head.rows(&queries, copy), kv_block, (scores, widened), &mut part);
            }
        });
        run_tasks(pool, heads * blocks, &|index, _worker| {
            let Some((head, queries)) = block(index) else { return };
            // SAFETY: blocks of queries differ from task to task, and with them the parts and the results.
            unsafe {
                let part = |kv_block: usize| Part::new(parts_memory.get(index * kv_blocks + kv_block), dim);
                let mut joined = part(0);
                for kv_block in 1..head.kv_blocks(&queries).len() {
                    head.join(&queries, &mut joined, &part(kv_block));
                }
                head.divide(&queries, &joined);
            }
        });
        Ok(())
    }

    /// The most KV blocks that one of the blocks of queries of a job sees.
    fn most_kv_blocks(&self, blocks: usize) -> usize {
        let seen = |job: &Job, block: usize| {
            let queries = self.block_of_queries(job, block)?;
            Some(self.plan.kv_blocks(self.visible(job).to_rows(queries.rows())).len())
        };
        self.jobs.iter().flat_map(|job| (0..blocks).filter_map(move |block| seen(job, block))).max().unwrap_or(0)
    }

    /// The queries of a block of those of a job that share a key head, if there are any.
    fn block_of_queries(&self, job: &Job, block: usize) -> Option<Queries> {
        let len = self.plan.block();
        Queries::new(block * len..self.queries(job).min((block + 1) * len), self.plan.group)
    }

    /// Queries of a job that share a key head.
    fn queries(&self, job: &Job) -> usize {
        job.rows * self.plan.group
    }

    /// What the queries of a job see.
    fn visible(&self, job: &Job) -> Visible {
        Visible { mask: self.mask, first: job.before, len: job.len() }
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
    unsafe fn pack(&self, job: &Job, kv_head: usize, panels: HeadPanels<'_>) {
        let column = kv_head * self.plan.format.head_dim;
        let rows = |x: &MatRef<'_, f32>| HeadRows {
            data: x.as_ptr().wrapping_add(job.first_row * x.row_stride() + column),
            stride: x.row_stride(),
        };
        let (format, keys, values) = (self.plan.format, rows(&self.keys), rows(&self.values));
        for block in self.plan.kv_blocks(job.before..job.len()) {
            let start = block * self.plan.kv_block;
            let first = job.before.max(start);
            let (count, done) = (job.len().min(start + self.plan.kv_block) - first, first - job.before);
            let panels = panels.of_block(format, block);
            // SAFETY: the job's rows exist, as was checked; the panels are promised by the caller.
            let append =
                unsafe { Append::new(format, panels, first - start, count, keys.from(done), values.from(done)) };
            dispatch(&self.plan.cpu, append);
        }
    }

    /// The panels of a job that has a cache.
    fn cached_panels(&self, job: &Job, kv_head: usize) -> HeadPanels<'_> {
        // SAFETY: a borrow of the cache for the time of the call, of which nothing but panels of pages that no other cache has is
        // written meanwhile; its format is the plan's, as was checked, and it has the pages of all positions.
        HeadPanels::Paged { cache: unsafe { &*job.cache }, kv_head }
    }

    fn key_head<'k>(&'k self, job: &Job, kv_head: usize, panels: HeadPanels<'k>) -> KeyHead<'k> {
        let column = kv_head * self.plan.group * self.plan.format.head_dim;
        KeyHead {
            plan: self.plan,
            panels,
            queries: self.queries.as_ptr().wrapping_add(job.first_row * self.queries.row_stride() + column),
            query_stride: self.queries.row_stride(),
            out: self.out.wrapping_add(job.first_row * self.out_stride + column),
            out_stride: self.out_stride,
            visible: self.visible(job),
        }
    }

    /// The memory of a task, as [`AttentionPlan::work_len`] counts it; and panels in it for a job without a cache.
    fn work<'m>(&self, memory: &'m mut [f32]) -> (Work<'m>, Panels) {
        let (queries, room, dim) =
            (self.plan.queries_at_once(self.most_rows), self.most_room, self.plan.format.head_dim);
        let (widened, mut rest) = memory.split_at_mut(self.plan.widened_len());
        let mut take = |len: usize| {
            let (part, later) = std::mem::take(&mut rest).split_at_mut(queries * len);
            rest = later;
            part
        };
        let work = Work {
            copy: take(self.plan.copied(dim)),
            scores: take(self.plan.row_room(room)),
            widened,
            joined: Part::new(take(Part::len(dim)), dim),
            own: Part::new(take(Part::len(dim)), dim),
        };
        (work, self.plan.format.panels(rest.as_mut_ptr().cast(), room))
    }
}

/// How the keys of few heads are shared out.
struct SplitKv {
    /// Blocks of queries of a key head.
    blocks: usize,
    /// KV blocks of a block of queries.
    kv_blocks: usize,
}

/// Whether this number of equal tasks keeps the threads busy for at least seven eighths of the time, or is several for each thread.
fn is_even(tasks: usize, threads: usize) -> bool {
    tasks >= 2 * threads || 8 * tasks >= 7 * threads * tasks.div_ceil(threads)
}
