import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { ReferenceDataController } from './reference-data.controller.js';
import { ReferenceData } from './reference-data.js';

@Module({
  imports: [EventsModule],
  controllers: [ReferenceDataController],
  providers: [ReferenceData],
  exports: [ReferenceData],
})
export class ReferenceDataModule {}
