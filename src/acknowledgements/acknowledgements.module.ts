import { Module } from '@nestjs/common';
import { ChainModule } from '../chain/chain.module.js';
import { EventsModule } from '../events/events.module.js';
import { AcknowledgementsController } from './acknowledgements.controller.js';
import { Acknowledgements } from './acknowledgements.js';

/** Findings that somebody has looked at. */
@Module({
  imports: [ChainModule, EventsModule],
  controllers: [AcknowledgementsController],
  providers: [Acknowledgements],
})
export class AcknowledgementsModule {}
