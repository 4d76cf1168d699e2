import { Module } from '@nestjs/common';
import { ARCHIVED_EVENTS } from './archived-events.js';
import { ArchivedReads } from './archived-reads.js';

/** Events that have left PostgreSQL. */
@Module({ providers: [{ provide: ARCHIVED_EVENTS, useClass: ArchivedReads }], exports: [ARCHIVED_EVENTS] })
export class ArchivedReadsModule {}
