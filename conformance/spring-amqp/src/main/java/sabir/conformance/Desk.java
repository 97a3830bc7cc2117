package sabir.conformance;

import com.rabbitmq.client.Channel;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.rabbit.annotation.Argument;
import org.springframework.amqp.rabbit.annotation.Exchange;
import org.springframework.amqp.rabbit.annotation.Queue;
import org.springframework.amqp.rabbit.annotation.QueueBinding;
import org.springframework.amqp.rabbit.annotation.RabbitListener;
import org.springframework.amqp.support.AmqpHeaders;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.stereotype.Component;

/** The listeners; what they took waits in queues for the tests to look at. */
@Component
public class Desk {
  final BlockingQueue<Order> accepted = new LinkedBlockingQueue<>();
  final BlockingQueue<Message> dead = new LinkedBlockingQueue<>();
  final BlockingQueue<Message> ledger = new LinkedBlockingQueue<>();
  final BlockingQueue<List<Order>> batches = new LinkedBlockingQueue<>();
  final BlockingQueue<Boolean> redelivered = new LinkedBlockingQueue<>();
  final BlockingQueue<String> announced = new LinkedBlockingQueue<>();
  final Map<String, AtomicInteger> attempts = new ConcurrentHashMap<>();

  @RabbitListener(queues = Topology.ACCEPTED, concurrency = "2")
  void accept(Order order) {
    failWhileDue(order);
    accepted.add(order);
  }

  @RabbitListener(queues = Topology.DEAD)
  void bury(Message message) {
    dead.add(message);
  }

  @RabbitListener(queues = Topology.LEDGER)
  void enter(Message message) {
    ledger.add(message);
  }

  @RabbitListener(queues = Topology.QUOTES, containerFactory = "direct")
  int quote(Order order) {
    return order.quantity() * 7;
  }

  @RabbitListener(queues = Topology.MANUAL, containerFactory = "manual")
  void refuseFirst(
      Message message,
      Channel channel,
      @Header(AmqpHeaders.DELIVERY_TAG) long tag,
      @Header(AmqpHeaders.REDELIVERED) boolean again)
      throws IOException {
    redelivered.add(again);
    if (again) {
      channel.basicAck(tag, false);
    } else {
      channel.basicNack(tag, false, true);
    }
  }

  @RabbitListener(queues = Topology.BATCHES, containerFactory = "batching")
  void takeTogether(List<Order> orders) {
    batches.add(orders);
  }

  @RabbitListener(queues = Topology.QUORUM, containerFactory = "manual")
  void neverTake(Message message, Channel channel, @Header(AmqpHeaders.DELIVERY_TAG) long tag) throws IOException {
    attempts.computeIfAbsent("quorum", name -> new AtomicInteger()).incrementAndGet();
    channel.basicReject(tag, true);
  }

  @RabbitListener(
      bindings =
          @QueueBinding(
              value = @Queue,
              exchange = @Exchange(name = "announcements", type = "headers"),
              arguments = {
                @Argument(name = "x-match", value = "all"),
                @Argument(name = "branch", value = "north")
              }),
      containerFactory = "manual",
      ackMode = "NONE")
  void hear(Message message) {
    announced.add(new String(message.getBody()));
  }

  private void failWhileDue(Order order) {
    int attempt = attempts.computeIfAbsent(order.id(), id -> new AtomicInteger()).incrementAndGet();
    if (attempt <= order.fails()) {
      throw new IllegalStateException("attempt " + attempt + " of order " + order.id());
    }
  }
}
