// The process that decodes row groups of files that carry no checksums of ours. hyparquet trusts the lengths that pages
// hold: a damaged one can make it read the same byte for ever, or fill memory until V8 aborts the process, and neither
// can be caught within it, nor around a worker thread. See parquet-process.ts, which starts and ends this.
import { fstatSync, readSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { parquetMetadataAsync } from 'hyparquet';
import { readGroup } from './parquet-group.mjs';

/** The file as the parent opened it. */
const FD = 4;
/** Rows of a message, so that the parent need not hold a group of any size. */
const ROWS = 256;

// If the parent is killed, a group that never ends would run on, and nobody else is left to end it.
const WATCH = `
const { workerData: parent } = require('node:worker_threads');
setInterval(() => process.ppid === parent || process.kill(process.pid, 'SIGKILL'), 1000);`;
new Worker(WATCH, { eval: true, workerData: Number(process.argv[2]) }).unref();
process.on('disconnect', () => process.exit());

const size = fstatSync(FD).size;
const file = {
  byteLength: size,
  slice(start, end = size) {
    if (start < 0 || end > size) throw new RangeError(`bytes ${start} to ${end} lie outside the file`);
    const bytes = Buffer.allocUnsafeSlow(end - start);
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(FD, bytes, at, bytes.length - at, start + at);
      if (count === 0) throw new RangeError(`file ends at byte ${start + at}, expected ${end}`);
      at += count;
    }
    return bytes.buffer;
  },
};

let metadata = null;
let rows = [];

/** `ask` names a group's rows; 'more' asks for the next of those that were decoded. */
process.on('message', async (ask) => {
  try {
    metadata ??= await parquetMetadataAsync(file, { geoparquet: false });
    if (ask !== 'more') rows = await readGroup(file, metadata, ask);
    process.send({ rows: rows.splice(0, ROWS), left: rows.length });
  } catch (error) {
    process.send({ problem: String(error?.message ?? error), syscall: error?.syscall });
  }
});
