// Node's kafkajs against a node: it acts as admin and writes the records of test/lib/records.py with every codec.
// Another client reads those. Its own consumer knows groups only: two of them share what a third producer wrote, and
// one copies in transactions. usage: node npm.js HOST:PORT COUNT; see read_back.py for what is printed.
'use strict';

const { strict: assert } = require('assert');
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs');
const lz4 = require('lz4js');
const xxh32 = require('lz4js/xxh32');
const { ZstdCodec } = require('zstd-codec');

const FIRST_TIMESTAMP = 1_700_000_000_000;
const AT_ONCE = 5_000;

function recordOf(number) {
  const made = { partition: 0, timestamp: String(FIRST_TIMESTAMP + number), key: null, value: null };
  if (number % 3 !== 0) {
    made.key = `key-${number}`;
  }
  if (number % 15 !== 1 && number % 15 !== 11) {
    made.value = `value ${number} `.repeat((number % 7) + 1);
  }
  if (number % 4 === 0) {
    made.headers = { a: [String(number), Buffer.from([0, 255])], b: '' };
  }
  return made;
}

// lz4js says "linked blocks", which Kafka refuses, of a frame that has one block here: say "independent".
function compressLz4(bytes) {
  const frame = Buffer.from(lz4.compress(bytes));
  frame[4] |= 0x20;
  frame[6] = (xxh32.hash(0, frame, 4, 2) >> 8) & 0xff;
  return frame;
}

function registerCodecs(zstd) {
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async (encoder) => compressLz4(encoder.buffer),
    decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
  });
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
  });
}

async function write(kafka, topic, compression, count) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let number = 0; number < count; number += AT_ONCE) {
    const messages = Array.from({ length: AT_ONCE }, (_, index) => recordOf(number + index));
    const [sent] = await producer.send({ topic, compression, acks: -1, messages });
    assert.equal(sent.baseOffset, String(number));
  }
  await producer.disconnect();
}

async function administer(kafka) {
  const admin = kafka.admin();
  await admin.connect();
  const topics = [{ topic: 'kafkajs', numPartitions: 3,
    configEntries: [{ name: 'retention.ms', value: '-1' }] }];
  assert.equal(await admin.createTopics({ topics, waitForLeaders: true }), true);
  assert.equal(await admin.createTopics({ topics }), false);
  assert.ok((await admin.listTopics()).includes('kafkajs'));
  const { topics: [described] } = await admin.fetchTopicMetadata({ topics: ['kafkajs'] });
  assert.equal(described.partitions.length, 3);
  const offsets = await admin.fetchTopicOffsets('kafkajs');
  assert.deepEqual(offsets.map((each) => [each.low, each.high]), Array(3).fill(['0', '0']));
  const configs = await admin.describeConfigs({ includeSynonyms: true, resources: [
    { type: ConfigResourceTypes.TOPIC, name: 'kafkajs', configNames: ['retention.ms'] }] });
  assert.equal(configs.resources[0].configEntries[0].configValue, '-1');
  assert.equal((await admin.describeCluster()).brokers.length, 1);
  await admin.deleteTopics({ topics: ['kafkajs'] });
  await admin.disconnect();
}

// ---- groups and transactions ----

const SHARED = 400;
const PARTITIONS = 4;

async function until(what, holds) {
  for (const end = Date.now() + 30_000; !(await holds());) {
    if (Date.now() > end) {
      throw new Error(`never came: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function fill(kafka, admin, topic) {
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: Array.from({ length: SHARED }, (_, index) => (
    { partition: index % PARTITIONS, value: String(index) })) });
  await producer.disconnect();
}

async function join(kafka, groupId, topic, eachBatch, more = {}) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6_000, heartbeatInterval: 200, maxWaitTimeInMs: 100, ...more });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({ autoCommitInterval: 100, eachBatch, ...more });
  return consumer;
}

function once(seen) {
  assert.deepEqual([...seen.keys()].map(Number).sort((a, b) => a - b), Array.from({ length: SHARED }, (_, index) => index));
  assert.ok([...seen.values()].every((times) => times === 1), 'some came twice');
}

async function share(kafka, admin) {
  const seen = new Map();
  const take = async ({ batch, resolveOffset }) => {
    for (const message of batch.messages) {
      seen.set(String(message.value), (seen.get(String(message.value)) ?? 0) + 1);
      resolveOffset(message.offset);
    }
  };
  const groupId = 'kafkajs-shared';
  await admin.createTopics({ topics: [{ topic: groupId, numPartitions: PARTITIONS }], waitForLeaders: true });
  const members = await Promise.all([1, 2].map(() => join(kafka, groupId, groupId, take)));
  await until('two members', async () => {
    const { groups: [told] } = await admin.describeGroups([groupId]);
    return told.state === 'Stable' && told.members.length === 2;
  });
  await fill(kafka, admin, groupId);
  await until('all', () => seen.size >= SHARED);
  await Promise.all(members.map((each) => each.disconnect()));
  once(seen);
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [groupId] });
  assert.deepEqual(partitions.map((each) => each.offset), Array(PARTITIONS).fill(String(SHARED / PARTITIONS)));
  assert.ok((await admin.listGroups()).groups.some((each) => each.groupId === groupId));
  await admin.setOffsets({ groupId, topic: groupId, partitions: [{ partition: 0, offset: '3' }] });
  const [{ partitions: set }] = await admin.fetchOffsets({ groupId, topics: [groupId] });
  assert.equal(set.find((each) => each.partition === 0).offset, '3');
  assert.deepEqual((await admin.deleteGroups([groupId])).map((each) => each.errorCode), [0]);
}

// Each batch goes on in a transaction with its offsets; the first one is taken back, and comes again.
async function copy(kafka, admin) {
  await fill(kafka, admin, 'kafkajs-from');
  await admin.createTopics({ topics: [{ topic: 'kafkajs-to' }], waitForLeaders: true });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: 'kafkajs-copy' });
  await producer.connect();
  const groupId = 'kafkajs-copy';
  let copied = 0;
  let aborts = 1;
  const consumer = await join(kafka, groupId, 'kafkajs-from', async ({ batch, resolveOffset }) => {
    const transaction = await producer.transaction();
    const next = String(Number(batch.lastOffset()) + 1);
    await transaction.send({ topic: 'kafkajs-to', messages: batch.messages.map(({ value }) => ({ value })) });
    await transaction.sendOffsets({ consumerGroupId: groupId, topics: [
      { topic: batch.topic, partitions: [{ partition: batch.partition, offset: next }] }] });
    if (aborts-- > 0) {
      await transaction.abort();
      consumer.seek({ topic: batch.topic, partition: batch.partition, offset: batch.firstOffset() });
      return;
    }
    await transaction.commit();
    resolveOffset(batch.lastOffset());
    copied += batch.messages.length;
  }, { autoCommit: false, readUncommitted: false });
  await until('all are copied', () => copied >= SHARED);
  await consumer.disconnect();
  await producer.disconnect();
  const seen = new Map();
  const reader = await join(kafka, 'kafkajs-reader', 'kafkajs-to', async ({ batch }) => batch.messages.forEach(
    ({ value }) => seen.set(String(value), (seen.get(String(value)) ?? 0) + 1)));
  await until('all are read', () => seen.size >= SHARED);
  await reader.disconnect();
  once(seen);
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: ['kafkajs-from'] });
  assert.deepEqual(partitions.map((each) => each.offset), Array(PARTITIONS).fill(String(SHARED / PARTITIONS)));
}

async function groups(kafka, work) {
  const admin = kafka.admin();
  await admin.connect();
  await work(kafka, admin);
  await admin.disconnect();
}

async function tell(what, work) {
  try {
    await work;
    console.log(`ok: ${what}`);
    return true;
  } catch (wrong) {
    console.log(`FAILED: ${what}: ${wrong.message}`);
    process.exitCode = 1;
    return false;
  }
}

async function main(address, count) {
  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING });
  registerCodecs(await new Promise((resolve) => ZstdCodec.run((made) => resolve(new made.Simple()))));
  await tell('kafkajs as admin', administer(kafka));
  await tell('kafkajs in a group', groups(kafka, share));
  await tell('kafkajs copies in transactions', groups(kafka, copy));
  const codecs = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' };
  for (const [codec, name] of Object.entries(codecs)) {
    const topic = `kafkajs-${codec}`;
    if (await tell(`kafkajs with ${codec}`, write(kafka, topic, CompressionTypes[name], count))) {
      console.log(`wrote ${topic} ${codec}`);
    }
  }
}

// A client whose write failed keeps its connections, and with them the process.
main(process.argv[2], Number(process.argv[3])).finally(() => process.exit());
