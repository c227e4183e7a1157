// Node's kafkajs against a node: it acts as admin and writes the records of test/lib/records.py with every codec.
// Its consumer knows groups only: another client reads. usage: node npm.js HOST:PORT COUNT; see read_back.py for
// what is printed.
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
