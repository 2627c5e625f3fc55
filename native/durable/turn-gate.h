// Where the workers of a broker stand still together, between two turns (checkpointer.h).
#pragma once

namespace rally {

class Engine;

class TurnGate {
 public:
  virtual ~TurnGate() = default;
  // From any thread: clients are not to publish, so that the workers come to rest.
  virtual bool isAsked() const = 0;
  // At the beginning of a turn of the engine.
  virtual void pass(Engine& engine) = 0;
  // Once a second, by one of the workers.
  virtual void tick() = 0;
};

}  // namespace rally
