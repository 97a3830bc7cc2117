package sabir.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ShutdownSignalException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.amqp.AmqpIOException;
import org.springframework.amqp.core.AmqpAdmin;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageBuilder;
import org.springframework.amqp.core.MessageDeliveryMode;
import org.springframework.amqp.core.MessagePostProcessor;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.core.ReturnedMessage;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.ChannelListener;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.transaction.RabbitTransactionManager;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.transaction.support.TransactionTemplate;

/** What users of Spring AMQP rely on, through a running application. */
@SpringBootTest(classes = Application.class)
class DeskTest {
  private static final Duration PATIENCE = Duration.ofSeconds(15);

  @Autowired private Desk desk;
  @Autowired private AmqpAdmin admin;
  @Autowired private RabbitTransactionManager transactions;
  @Autowired private CachingConnectionFactory connections;

  @Autowired
  @Qualifier("template")
  private RabbitTemplate template;

  @Autowired
  @Qualifier("transactional")
  private RabbitTemplate transactional;

  @BeforeEach
  void forget() {
    desk.accepted.clear();
    desk.dead.clear();
    desk.ledger.clear();
    desk.batches.clear();
    desk.redelivered.clear();
  }

  private static Order order(int fails) {
    return new Order(UUID.randomUUID().toString(), 6, fails);
  }

  private static Map<String, Object> death(Message message) {
    return new HashMap<>(message.getMessageProperties().getXDeathHeader().get(0));
  }

  private static <T> T next(BlockingQueue<T> queue) throws InterruptedException {
    T taken = queue.poll(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    assertThat(taken).as("within %s", PATIENCE).isNotNull();
    return taken;
  }

  @Test
  void theAdminDeclaredTheQueuesAndKnowsTheirDepth() {
    for (var name : List.of(Topology.ACCEPTED, Topology.DEAD, Topology.DELAYED, Topology.QUORUM)) {
      assertThat(admin.getQueueProperties(name)).containsEntry(RabbitAdmin.QUEUE_NAME, name);
    }
    template.convertAndSend(Topology.PRICED, order(0));
    await().atMost(PATIENCE).until(() -> admin.getQueueInfo(Topology.PRICED).getMessageCount() == 1);
    assertThat(admin.getQueueInfo(Topology.ACCEPTED).getConsumerCount()).isEqualTo(2);
    assertThat(admin.getQueueInfo("no.such.queue")).isNull();
    admin.purgeQueue(Topology.PRICED);
    assertThat(admin.getQueueInfo(Topology.PRICED).getMessageCount()).isZero();
  }

  @Test
  void anInequivalentQueueIsRefusedAndTheConnectionGoesOn() {
    Queue other = QueueBuilder.durable(Topology.PRICED).maxPriority(3).build();
    assertThatThrownBy(() -> admin.declareQueue(other))
        .isInstanceOf(AmqpIOException.class)
        .rootCause()
        .hasMessageContaining("reply-code=406")
        .hasMessageContaining("x-max-priority");
    assertThat(admin.getQueueInfo(Topology.PRICED)).isNotNull();
  }

  @Test
  void anOrderArrivesAsTheObjectThatWasSent() throws Exception {
    Order sent = order(0);
    template.convertAndSend(Topology.EXCHANGE, "order.accepted.web.north", sent);
    assertThat(next(desk.accepted)).isEqualTo(sent);
  }

  @Test
  void aListenerThatFailsTwiceIsRetriedAndSucceeds() throws Exception {
    Order sent = order(2);
    template.convertAndSend(Topology.EXCHANGE, "order.accepted", sent);
    assertThat(next(desk.accepted)).isEqualTo(sent);
    assertThat(desk.attempts.get(sent.id())).hasValue(3);
  }

  @Test
  void anOrderThatFailsForGoodIsDeadLetteredWithItsHistory() throws Exception {
    Order sent = order(100);
    template.convertAndSend(Topology.EXCHANGE, "order.accepted.phone", sent);
    var message = next(desk.dead);
    assertThat(new String(message.getBody())).contains(sent.id());
    assertThat(death(message))
        .containsEntry("reason", "rejected")
        .containsEntry("queue", Topology.ACCEPTED)
        .containsEntry("exchange", Topology.EXCHANGE)
        .containsEntry("count", 1L)
        .containsEntry("routing-keys", List.of("order.accepted.phone"));
    assertThat(message.getMessageProperties().getHeaders()).containsEntry("x-first-death-reason", "rejected");
    assertThat(desk.attempts.get(sent.id())).hasValue(3);
  }

  @Test
  void anExpiredMessageMovesOn() throws Exception {
    long sent = System.nanoTime();
    template.convertAndSend(Topology.DELAYED, order(0));
    var message = next(desk.ledger);
    assertThat(Duration.ofNanos(System.nanoTime() - sent)).isGreaterThan(Duration.ofMillis(250));
    assertThat(death(message)).containsEntry("reason", "expired");
  }

  @Test
  void aDeliveryLimitEndsAnEndlessRequeue() throws Exception {
    template.convertAndSend(Topology.QUORUM, order(0));
    var message = next(desk.dead);
    assertThat(death(message)).containsEntry("reason", "delivery_limit");
    assertThat(desk.attempts.get("quorum")).hasValue(3);
  }

  @Test
  void everyPublishIsConfirmed() throws Exception {
    var confirms = new ArrayList<CorrelationData>();
    for (int number = 0; number < 500; number++) {
      var correlation = new CorrelationData();
      confirms.add(correlation);
      template.convertAndSend("", Topology.LEDGER, "entry " + number, correlation);
    }
    for (var correlation : confirms) {
      assertThat(correlation.getFuture().get(10, TimeUnit.SECONDS).isAck()).isTrue();
    }
  }

  @Test
  void anUnroutableMessageIsReturnedBeforeItsConfirm() throws Exception {
    var correlation = new CorrelationData("stray");
    template.convertAndSend("", "no.such.queue", "stray", correlation);
    assertThat(correlation.getFuture().get(10, TimeUnit.SECONDS).isAck()).isTrue();
    ReturnedMessage returned = correlation.getReturned();
    assertThat(returned).isNotNull();
    assertThat(returned.getReplyCode()).isEqualTo(312);
    assertThat(returned.getReplyText()).isEqualTo("NO_ROUTE");
    assertThat(returned.getRoutingKey()).isEqualTo("no.such.queue");
  }

  @Test
  void aPublishToAMissingExchangeIsNotConfirmed() throws Exception {
    var reasons = reasonsOfClosedChannels();
    var correlation = new CorrelationData();
    template.convertAndSend("no.such.exchange", "key", "lost", correlation);
    var confirm = correlation.getFuture().get(10, TimeUnit.SECONDS);
    assertThat(confirm.isAck()).isFalse();
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () ->
                assertThat(reasons)
                    .anyMatch(
                        reason ->
                            reason.contains("404")
                                && reason.contains("no exchange 'no.such.exchange'")));
  }

  /**
   * Why channels are closed from now on. The confirm tells it too, unless the template gives its
   * channel back at the same moment: then it says that the application has closed it.
   */
  private List<String> reasonsOfClosedChannels() {
    var reasons = new CopyOnWriteArrayList<String>();
    connections.addChannelListener(
        new ChannelListener() {
          @Override
          public void onCreate(Channel channel, boolean transactional) {}

          @Override
          public void onShutDown(ShutdownSignalException signal) {
            reasons.add(signal.getMessage());
          }
        });
    return reasons;
  }

  @Test
  void requestsAreAnsweredThroughTheReplyAddressOfTheConnection() {
    for (int quantity = 1; quantity <= 20; quantity++) {
      assertThat(template.convertSendAndReceive(Topology.QUOTES, new Order("q", quantity, 0)))
          .isEqualTo(quantity * 7);
    }
  }

  @Test
  void aNegativeAcknowledgementBringsTheMessageBackMarked() throws Exception {
    template.convertAndSend(Topology.MANUAL, order(0));
    assertThat(next(desk.redelivered)).isFalse();
    assertThat(next(desk.redelivered)).isTrue();
  }

  @Test
  void aBatchListenerTakesManyAtOnceInTheirOrder() throws Exception {
    var sent = new ArrayList<Order>();
    for (int number = 0; number < 10; number++) {
      sent.add(new Order("batch", number, 0));
    }
    // Order is kept per channel, and the template takes another channel while confirms are due.
    template.invoke(
        operations -> {
          sent.forEach(order -> operations.convertAndSend(Topology.BATCHES, order));
          return null;
        });
    var taken = new ArrayList<Order>();
    while (taken.size() < sent.size()) {
      taken.addAll(next(desk.batches));
    }
    assertThat(taken).isEqualTo(sent);
  }

  @Test
  void theMoreImportantMessageIsTakenFirst() {
    admin.purgeQueue(Topology.PRICED);
    for (int priority : List.of(1, 9, 5)) {
      MessagePostProcessor prioritized =
          message -> {
            message.getMessageProperties().setPriority(priority);
            return message;
          };
      template.invoke(
          operations -> {
            operations.convertAndSend("", Topology.PRICED, priority, prioritized);
            operations.waitForConfirmsOrDie(10_000);
            return null;
          });
    }
    var taken = new ArrayList<Object>();
    for (int number = 0; number < 3; number++) {
      taken.add(template.receiveAndConvert(Topology.PRICED, 5000));
    }
    assertThat(taken).containsExactly(9, 5, 1);
  }

  @Test
  void aHeadersExchangeSelectsByHeader() throws Exception {
    for (String branch : List.of("south", "north")) {
      var message =
          MessageBuilder.withBody(branch.getBytes()).setHeader("branch", branch).setHeader("extra", 1).build();
      template.send("announcements", "", message);
    }
    assertThat(next(desk.announced)).isEqualTo("north");
    assertThat(desk.announced).isEmpty();
  }

  @Test
  void propertiesAndHeadersOfEveryKindSurvive() {
    Queue queue = admin.declareQueue();
    var message =
        MessageBuilder.withBody(new byte[] {0, (byte) 255})
            .setContentType("application/x-kind")
            .setContentEncoding("none")
            .setCorrelationId("correlation")
            .setMessageId("message")
            .setAppId("application")
            .setType("type")
            .setReplyTo("reply")
            .setUserId("guest")
            .setExpiration("60000")
            .setPriority(3)
            .setTimestamp(new java.util.Date(1_700_000_000_000L))
            .setDeliveryMode(MessageDeliveryMode.NON_PERSISTENT)
            .setHeader("text", "täxt")
            .setHeader("int", 7)
            .setHeader("long", 1L << 40)
            .setHeader("double", 1.5)
            .setHeader("flag", true)
            .setHeader("list", List.of("a", 1, true))
            .setHeader("map", Map.of("inner", Map.of("deep", "x")))
            .setHeader("nothing", null)
            .build();
    template.send("", queue.getName(), message);
    var received = template.receive(queue.getName(), 5000);
    assertThat(received.getBody()).isEqualTo(new byte[] {0, (byte) 255});
    var properties = received.getMessageProperties();
    assertThat(properties.getContentType()).isEqualTo("application/x-kind");
    assertThat(properties.getContentEncoding()).isEqualTo("none");
    assertThat(properties.getCorrelationId()).isEqualTo("correlation");
    assertThat(properties.getMessageId()).isEqualTo("message");
    assertThat(properties.getAppId()).isEqualTo("application");
    assertThat(properties.getType()).isEqualTo("type");
    assertThat(properties.getReplyTo()).isEqualTo("reply");
    assertThat(properties.getReceivedUserId()).isEqualTo("guest");
    assertThat(properties.getExpiration()).isEqualTo("60000");
    assertThat(properties.getPriority()).isEqualTo(3);
    assertThat(properties.getTimestamp()).isEqualTo(new java.util.Date(1_700_000_000_000L));
    assertThat(properties.getReceivedDeliveryMode()).isEqualTo(MessageDeliveryMode.NON_PERSISTENT);
    assertThat(properties.getHeaders())
        .containsEntry("text", "täxt")
        .containsEntry("int", 7)
        .containsEntry("long", 1L << 40)
        .containsEntry("double", 1.5)
        .containsEntry("flag", true)
        .containsEntry("list", List.of("a", 1, true))
        .containsEntry("map", Map.of("inner", Map.of("deep", "x")))
        .containsEntry("nothing", null);
    admin.deleteQueue(queue.getName());
  }

  @Test
  void aTransactionPublishesAllOrNothing() throws Exception {
    var scope = new TransactionTemplate(transactions);
    assertThatThrownBy(
            () ->
                scope.executeWithoutResult(
                    status -> {
                      transactional.convertAndSend(Topology.LEDGER, "rolled back");
                      throw new IllegalStateException("on purpose");
                    }))
        .hasMessage("on purpose");
    scope.executeWithoutResult(
        status -> {
          transactional.convertAndSend(Topology.LEDGER, "first");
          transactional.convertAndSend(Topology.LEDGER, "second");
        });
    assertThat(new String(next(desk.ledger).getBody())).contains("first");
    assertThat(new String(next(desk.ledger).getBody())).contains("second");
  }

  @Test
  void aReceivedMessageOfATransactionThatFailsIsThereAgain() {
    // A connection of its own: an exclusive queue would be locked to the other one.
    Queue queue = QueueBuilder.durable().build();
    admin.declareQueue(queue);
    template.convertAndSend(queue.getName(), "kept");
    var scope = new TransactionTemplate(transactions);
    assertThatThrownBy(
            () ->
                scope.executeWithoutResult(
                    status -> {
                      assertThat(transactional.receiveAndConvert(queue.getName(), 5000)).isEqualTo("kept");
                      throw new IllegalStateException("on purpose");
                    }))
        .hasMessage("on purpose");
    var again = template.receive(queue.getName(), 5000);
    assertThat(again.getMessageProperties().isRedelivered()).isTrue();
    admin.deleteQueue(queue.getName());
  }

  @Test
  void listenersRecoverAfterTheirConnectionIsClosed() throws Exception {
    connections.resetConnection();
    var received = new AtomicReference<Order>();
    Order sent = order(0);
    template.convertAndSend(Topology.EXCHANGE, "order.accepted", sent);
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              received.set(desk.accepted.poll(100, TimeUnit.MILLISECONDS));
              return sent.equals(received.get());
            });
  }
}
