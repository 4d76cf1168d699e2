import { describeOrderFlow } from './real-data/recorded-order-flow.js';
import { isFeed, sources } from './real-data/sources.js';

describeOrderFlow(sources.filter(isFeed));
