// What the workers of a broker do together beside their work, between and at the end of turns (checkpointer.h).
#pragma once
#include "log-floor.h"

namespace rally {

class Engine;

class TurnGate {
 public:
  virtual ~TurnGate() = default;
  // From any thread: clients are not to publish, so that the workers come to rest.
  virtual bool isAsked() const = 0;
  // At the beginning of a turn of the engine.
  virtual void pass(Engine& engine) = 0;
  // At the end of a turn, before what it has logged is handed over.
  virtual void proceed(Engine& engine) = 0;
  // Whether proceed() has something to do now.
  virtual bool hasWork(Engine& engine) = 0;
  // Once a second, by one of the workers.
  virtual void tick() = 0;

  LogFloor floor;
};

}  // namespace rally
