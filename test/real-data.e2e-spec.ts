import { describeOrderFlow } from './real-data/recorded-order-flow.js';
import { isFeed, sampleSources, sources } from './real-data/sources.js';

describeOrderFlow([...sampleSources, ...sources.filter((source) => !isFeed(source))]);
